"""What the tokens of well-known services look like. Published prefixes and lengths; pure.

Each shape starts with a fixed text, its mark. Only where a mark stands is the shape tried, so that a long output costs
one search for marks.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WORD = r"[A-Za-z0-9]"
TAIL = r"[A-Za-z0-9_-]"
KEY = r"(?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----[^-]{20,12000}-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
LONGEST = 16 * 1024
"""Of a token: what is longer is a text that happens to begin like one."""


class Shape(NamedTuple):
    name: str
    mark: str
    """How every token of this shape begins."""
    rest: str
    """A regular expression for what follows the mark."""


SHAPES = (
    Shape("GitHub personal token", "ghp_", rf"{WORD}{{36,251}}"),
    Shape("GitHub OAuth token", "gho_", rf"{WORD}{{36,251}}"),
    Shape("GitHub user token", "ghu_", rf"{WORD}{{36,251}}"),
    Shape("GitHub server token", "ghs_", r"[A-Za-z0-9_.-]{36,520}"),
    Shape("GitHub refresh token", "ghr_", rf"{WORD}{{36,251}}"),
    Shape("GitHub fine-grained token", "github_pat_", r"[A-Za-z0-9_]{22,243}"),
    Shape("GitLab personal token", "glpat-", rf"{TAIL}{{20,300}}"),
    Shape("GitLab deploy token", "gldt-", rf"{TAIL}{{20,64}}"),
    Shape("GitLab runner token", "glrt-", rf"{TAIL}{{20,64}}"),
    Shape("GitLab CI job token", "glcbt-", rf"{TAIL}{{20,64}}"),
    Shape("AWS access key", "AKIA", r"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    Shape("AWS temporary key", "ASIA", r"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    Shape("Google API key", "AIza", rf"{TAIL}{{35}}"),
    Shape("Google OAuth token", "ya29.", r"[A-Za-z0-9_.-]{20,1000}"),
    Shape("Google OAuth secret", "GOCSPX-", rf"{TAIL}{{28}}"),
    Shape("Slack bot token", "xoxb-", r"[0-9A-Za-z-]{20,250}"),
    Shape("Slack user token", "xoxp-", r"[0-9A-Za-z-]{20,250}"),
    Shape("Slack app token", "xapp-", r"[0-9A-Za-z-]{20,250}"),
    Shape("Slack configuration token", "xoxe.", r"[0-9A-Za-z.-]{20,400}"),
    Shape("Slack session token", "xoxs-", r"[0-9A-Za-z-]{20,250}"),
    Shape("Slack webhook", "https://hooks.slack.com/services/", r"[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]{16,64}"),
    Shape("Discord webhook", "https://discord.com/api/webhooks/", r"[0-9]{15,25}/[A-Za-z0-9_-]{40,90}"),
    Shape("Stripe secret key", "sk_live_", rf"{WORD}{{16,250}}"),
    Shape("Stripe test key", "sk_test_", rf"{WORD}{{16,250}}"),
    Shape("Stripe restricted key", "rk_live_", rf"{WORD}{{16,250}}"),
    Shape("Stripe webhook secret", "whsec_", r"[A-Za-z0-9+/=]{24,100}"),
    Shape("OpenAI project key", "sk-proj-", rf"{TAIL}{{20,250}}"),
    Shape("OpenAI service key", "sk-svcacct-", rf"{TAIL}{{20,250}}"),
    Shape("OpenAI key", "sk-", r"[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    Shape("Anthropic key", "sk-ant-", rf"{TAIL}{{20,250}}"),
    Shape("OpenRouter key", "sk-or-v1-", r"[0-9a-f]{64}"),
    Shape("Hugging Face token", "hf_", rf"{WORD}{{30,64}}"),
    Shape("Replicate token", "r8_", rf"{WORD}{{37}}"),
    Shape("npm token", "npm_", rf"{WORD}{{36}}"),
    Shape("PyPI token", "pypi-", rf"{TAIL}{{80,250}}"),
    Shape("RubyGems key", "rubygems_", r"[0-9a-f]{48}"),
    Shape("Docker Hub token", "dckr_pat_", rf"{TAIL}{{27}}"),
    Shape("SendGrid key", "SG.", rf"{TAIL}{{22}}\.{TAIL}{{43}}"),
    Shape("Mailgun key", "key-", r"[0-9a-f]{32}(?![0-9A-Za-z])"),
    Shape("DigitalOcean token", "dop_v1_", r"[0-9a-f]{64}"),
    Shape("DigitalOcean OAuth token", "doo_v1_", r"[0-9a-f]{64}"),
    Shape("Heroku token", "HRKU-", rf"{TAIL}{{36,64}}"),
    Shape("Vault token", "hvs.", rf"{TAIL}{{24,200}}"),
    Shape("Vault batch token", "hvb.", rf"{TAIL}{{24,400}}"),
    Shape("Terraform token", "atlasv1.", rf"{TAIL}{{60,80}}"),
    Shape("Databricks token", "dapi", r"[0-9a-f]{32}(?![0-9A-Za-z])"),
    Shape("Grafana token", "glsa_", r"[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    Shape("Grafana cloud token", "glc_", r"[A-Za-z0-9+/=]{32,400}"),
    Shape("Linear key", "lin_api_", rf"{WORD}{{40}}"),
    Shape("Notion token", "ntn_", rf"{WORD}{{40,60}}"),
    Shape("Shopify token", "shpat_", r"[0-9a-fA-F]{32}"),
    Shape("Square token", "sq0atp-", rf"{TAIL}{{22}}"),
    Shape("Telegram bot token", "api.telegram.org/bot", r"[0-9]{8,10}:[A-Za-z0-9_-]{35}"),
    Shape("Postman key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    Shape("New Relic key", "NRAK-", r"[A-Z0-9]{27}"),
    Shape("Sentry token", "sntrys_", r"[A-Za-z0-9+/=_-]{60,400}"),
    Shape("Supabase token", "sbp_", r"[0-9a-f]{40}"),
    Shape("Netlify token", "nfp_", rf"{WORD}{{36,44}}"),
    Shape("Pulumi token", "pul-", r"[0-9a-f]{40}"),
    Shape("Tailscale key", "tskey-", r"[a-z]+-[A-Za-z0-9]{8,32}-[A-Za-z0-9]{20,64}"),
    Shape("Doppler token", "dp.pt.", rf"{WORD}{{40,44}}"),
    Shape("Fly.io token", "fm2_", r"[A-Za-z0-9+/=_-]{60,2000}"),
    Shape("Age secret key", "AGE-SECRET-KEY-1", r"[02-9AC-HJ-NP-Z]{58}"),
    Shape("JSON Web Token", "eyJ", r"[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{10,2000}"),
    Shape("Longhouse token", "lhj_", rf"{TAIL}{{43}}"),
    Shape("private key", "-----BEGIN ", KEY),
)
INSIDE = re.compile(rb"[A-Za-z0-9_.+/=:-]*")
INSIDE_KEY = re.compile(rb"[A-Za-z0-9_.,+/=:\s-]*")
PRIVATE_KEY = "-----BEGIN "

MARKS = tuple(shape.mark.encode() for shape in SHAPES)
_WHOLE = tuple(re.compile((re.escape(shape.mark) + shape.rest).encode()) for shape in SHAPES)


def end_at(number: int, data: bytes, start: int) -> int | None:
    """Where the token ends that begins at `start` with the mark of shape `number`; None if it is none."""
    found = _WHOLE[number].match(data, start)
    return found.end() if found else None


def may_go_on(number: int, data: bytes, start: int) -> bool:
    """Whether what comes behind `data` can still make a token, or a longer one, of what begins at `start`."""
    inside = INSIDE_KEY if SHAPES[number].mark == PRIVATE_KEY else INSIDE
    return len(data) - start < LONGEST and inside.fullmatch(data, start + len(MARKS[number])) is not None
