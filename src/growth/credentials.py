"""What a credential looks like in free text: known token shapes, key=value pairs, headers, key files.

Each rule is (kind, cheap test, pattern, judge). The cheap test is a substring that spares most texts the pattern;
the judge looks at a match and says which part of it goes: a group number, or None to leave it.
"""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

Match = re.Match[str]


class Rule(NamedTuple):
    kind: str
    hints: tuple[str, ...]  # lower case; one of them is in the lower-cased text, or the rule has nothing to find
    pattern: re.Pattern[str]
    part: Callable[[Match], int | str | None]
    digits: int = 0  # a text with fewer digits has nothing for this rule
    run: int = 0  # nor has one without so many characters in a row that are no white space


def whole(_: Match) -> int:
    return 0


_SHAPES = (
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}",
    r"gh[pousr]_[A-Za-z0-9]{16,255}",
    r"github_pat_[A-Za-z0-9_]{20,255}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas)-[A-Za-z0-9_.-]{16,300}",
    r"glsa_[A-Za-z0-9_]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"xapp-\d-[A-Za-z0-9-]{10,}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}",
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"sk-(?:proj-|ant-|svcacct-|admin-|or-v1-|lf-)?(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}",
    r"AIza[A-Za-z0-9_-]{30,}",
    r"GOCSPX-[A-Za-z0-9_-]{20,}",
    r"ya29\.[A-Za-z0-9_.-]{20,}",
    r"1//0[A-Za-z0-9_-]{30,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"key-[0-9a-f]{32}",
    r"SK[0-9a-f]{32}",
    r"(?:npm|hf|pul|lin_api|dckr_pat|ATATT3|ATCTT3)_?[A-Za-z0-9_=-]{30,}",
    r"pypi-[A-Za-z0-9_-]{40,}",
    r"rubygems_[0-9a-f]{40,}",
    r"do[opr]_v1_[0-9a-f]{40,}",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{24,}",
    r"sq0(?:atp|csp)-[A-Za-z0-9_-]{20,}",
    r"EAAC[A-Za-z0-9]{20,}",
    r"dapi[0-9a-f]{32}",
    r"NRAK-[A-Z0-9]{20,}",
    r"figd_[A-Za-z0-9_-]{20,}",
    r"sntrys_[A-Za-z0-9+/=_-]{20,}",
    r"hv[sb]\.[A-Za-z0-9_-]{20,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{20,}",
    r"jfpt1_[A-Za-z0-9_-]{16,}",
    r"lhj_[A-Za-z0-9_-]{16,}",
    r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
    r"\d{8,10}:[A-Za-z0-9_-]{35}",
    r"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]+){1,4}",
    r"\$(?:2[abxy]\$\d\d|argon2(?:id|i|d)|scrypt|6|5|pbkdf2-sha\d+)\$[A-Za-z0-9./+$=,-]{20,}",
)
_NAMES = (
    r"(?:[A-Za-z0-9_-]*(?:password|passwd|passphrase|secret|api[ _-]?key|apikey|access[_-]?key|secret[_-]?key"
    r"|private[_-]?key|encryption[_-]?key|signing[_-]?key|account[_-]?key|auth[_-]?key|token|credentials?|session[_-]?id|sess[_-]?id|kennwort"
    r"|passwort|x-amz-signature|x-amz-credential)|pwd|pass|sig|signature|jsessionid|phpsessid|auth|cvv|cvc|pin)"
)
_PROSE = frozenset(
    """
    required optional reset none null true false hidden empty invalid valid missing expired wrong
    forgotten unknown protected needed here there yes no min max minimum maximum encrypted hashed
    manager field string text number boolean auto default authentication authorization refresh changed
    change sharing strength policy rules rule bearer basic is and or the a an keeper keepers sauce life
    lives ingredient ingredients garden
    """.split()  # noqa: SIM905 - a list of one word a line would hide the code
)


def _value_of_pair(found: Match) -> int | None:
    """Prose writes `Token: a unit of text`; a credential is one word that nothing but the end or a mark follows."""
    name, sign, quote, value = found["name"].lower(), found["sign"].strip(), found["quote"], found["value"]
    bare = value.strip("\"'.,;")
    if bare.startswith("[redacted") or not bare or bare.lower() in _PROSE:
        return None
    has_digit = any(character.isdigit() for character in bare)
    if name in ("pin", "cvv", "cvc"):
        return 4 if bare.isdigit() and 3 <= len(bare) <= 8 else None
    if name in ("sig", "signature", "auth"):
        return 4 if len(bare) >= 12 and has_digit else None
    counted = bare.isdigit() and len(bare) <= 6
    if counted and ("pass" not in name and name != "pwd"):
        return None
    if sign == "=" or quote or has_digit or len(bare) >= 20:
        return 4
    follows = found.string[found.end() :]
    return 4 if not re.match(r"\s+\w", follows) and "-" not in bare else None


def _basic(found: Match) -> int | None:
    try:
        decoded = base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return 1 if ":" in decoded and decoded.isprintable() else None


def _random_looking(found: Match) -> int | None:
    """Base64 of a key, no name, path or hash: mixed classes and nearly the entropy of random letters."""
    text = found[0]
    before = found.string[max(0, found.start() - 7) : found.start()]
    if before.endswith("base64,") or "[redacted" in text or re.fullmatch(r"[0-9a-fA-F-]+", text.rstrip("=")):
        return None
    classes = sum(bool(re.search(kind, text)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    if classes < 3 or max(map(len, re.split(r"[/_-]", text))) < 7:
        return None
    counts = Counter(text)
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    words = sum(len(word) for word in re.findall(r"[A-Z]?[a-z]{4,}", text))
    return 0 if entropy >= 4.2 and words < len(text) * 0.45 else None


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "key",
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z0-9 ]+-----(?:.*?-----END [A-Z0-9 ]+-----|.*)", re.DOTALL),
        whole,
    ),
    Rule(
        "token",
        ("hooks.slack.com/", "/api/webhooks/", "webhook.office.com/"),
        re.compile(
            r"https://(?:hooks\.slack\.com/|(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/|[\w.-]*webhook\.office\.com/)[^\s\"'<>)]+"
        ),
        whole,
    ),
    Rule("credentials", ("://",), re.compile(r"(?<=://)([^\s/@:?#\[]*:[^\s/@]+|[^\s/@:?#.\[]{16,})@"), lambda _: 1),
    Rule(
        "token",
        ("authorization",),
        re.compile(r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?((?:[a-z]+\s+)?(?=\S*[\d.=_])[^\s\"',;]{6,})"),
        lambda found: None if "[redacted" in found[1] else 1,
    ),
    Rule(
        "token",
        ("cookie",),
        re.compile(r"(?i)\b(?:set-)?cookie:\s*([^\s=;]+=[^\r\n\"']+)"),
        lambda found: None if found[1].count("[redacted") else 1,
    ),
    Rule(
        "token",
        ("bearer", "token "),
        re.compile(r"(?i)\b(?:bearer|token)\s+((?=[A-Za-z_-]*[\d.])[A-Za-z0-9._~+/=-]{16,}|[\w-]+\.[\w-]+\.[\w-]+)"),
        lambda _: 1,
    ),
    Rule("token", ("basic",), re.compile(r"(?i)\bbasic\s+([A-Za-z0-9+/]{6,}={0,2})"), _basic),
    Rule(
        "token",
        (),
        re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(_SHAPES) + ")"),
        whole,
        run=14,
    ),
    Rule(
        "password",
        ("=", ":", " is "),
        re.compile(
            rf"(?i)(?<![A-Za-z0-9_-])(?P<name>{_NAMES})[\"']?(?P<sign>\s*[=:]\s*|\s+is\s+(?=\S*\d))(?P<quote>[\"']?)"
            r"(?P<value>(?<=[\"'])[^\"'\r\n]+|[^\s&;,\"'<>)\]}]+)"
        ),
        _value_of_pair,
    ),
    Rule(
        "key",
        (),
        re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{32,}={0,2}(?![A-Za-z0-9+/_-])"),
        _random_looking,
        run=32,
    ),
)
SECRET_NAME: Final = re.compile(rf"(?i){_NAMES}")
