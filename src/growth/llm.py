"""An optional language model for drafts: off unless asked for, capped in cost, and never trusted with the rules."""

import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any, Final, NoReturn, Protocol
from urllib.parse import urlsplit

from growth.content import LIMITS, Brief
from growth.errors import DependencyFailed, InputRefused
from growth.profiles import Profile

MOST_TOKENS: Final = 2000  # of one answer
FEWEST_TOKENS: Final = 64  # below that an answer is not worth its price
PESSIMISTIC_PRICE: Final = 100.0  # US dollars per million tokens, where the environment names no price
LARGEST_ANSWER: Final = 1024 * 1024  # bytes


@dataclass(frozen=True)
class Answer:
    text: str
    cost_usd: float


class Provider(Protocol):
    """A language model. `ask` fails with DependencyFailed; `price` is US dollars for that many tokens."""

    def ask(self, prompt: str, most_tokens: int) -> Answer: ...

    def price(self, tokens_in: int, tokens_out: int) -> float: ...


@dataclass
class ModelWriter:
    """Writes drafts with a model and stops before the request's max_cost_usd is spent."""

    provider: Provider
    max_cost_usd: float
    spent_usd: float = 0

    def write(self, brief: Brief, profile: Profile, variant: int) -> str:
        prompt = prompt_for(brief, profile, variant)
        answer = self.provider.ask(prompt, self._affordable(prompt))
        self.spent_usd += answer.cost_usd
        return answer.text

    def _affordable(self, prompt: str) -> int:
        """Tokens an answer may have so that even the worst case stays under the cap; a token is at least a byte."""
        left = self.max_cost_usd - self.spent_usd - self.provider.price(len(prompt.encode()), 0)
        per_token = self.provider.price(0, 1)
        tokens = MOST_TOKENS if per_token <= 0 else math.floor(left / per_token) if left > 0 else 0
        if tokens < FEWEST_TOKENS or left < 0:
            raise InputRefused(
                f"A draft may exceed what is left of max_cost_usd ({self.max_cost_usd:g}; {self.spent_usd:.4f} spent).",
                hint="Ask for fewer variants, or state the model's prices (GROWTH_LLM_USD_PER_MTOK_IN and _OUT).",
                code="growth.cost_cap",
            )
        return min(tokens, MOST_TOKENS)


def prompt_for(brief: Brief, profile: Profile, variant: int) -> str:
    limit = LIMITS.get(brief.content_type)
    lines = [
        f"Write one {brief.content_type.replace('_', ' ')} for {profile.name}. This is variant {variant + 1}.",
        f"Goal: {brief.goal}",
        f"Readers: {brief.audience or profile.icp.description}",
        f"Tone: {profile.voice.tone}. Style: {profile.voice.style_guide}",
        f"Keywords: {', '.join(brief.keywords or profile.keywords.primary)}",
        f"Features: {', '.join(brief.features or tuple(feature.name for feature in profile.features))}",
        f"Never use these words or claims: {'; '.join(profile.prohibited()) or 'none'}",
        f"At most {limit} characters." if limit else "",
        "Answer with the text alone.",
    ]
    return "\n".join(line for line in lines if line)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class OpenAICompatible:
    """Any server with `POST {base_url}/chat/completions`."""

    base_url: str
    model: str
    key: str
    usd_per_mtok_in: float = PESSIMISTIC_PRICE
    usd_per_mtok_out: float = PESSIMISTIC_PRICE
    timeout_seconds: float = 60

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.model!r})"

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.usd_per_mtok_in + tokens_out * self.usd_per_mtok_out) / 1e6

    def ask(self, prompt: str, most_tokens: int) -> Answer:
        body = {"model": self.model, "max_tokens": most_tokens, "messages": [{"role": "user", "content": prompt}]}
        request = urllib.request.Request(  # noqa: S310 - `configured` allows https, and http on this machine
            f"{self.base_url.rstrip('/')}/chat/completions",
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            },
        )
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=self.timeout_seconds) as response:
                data = response.read(LARGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            with error:
                _fail_status(error)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            _fail(f"could not be reached ({reason})")
        return self._answer(data, len(prompt.encode()), most_tokens)

    def _answer(self, data: bytes, prompt_tokens: int, most_tokens: int) -> Answer:
        try:
            if len(data) > LARGEST_ANSWER:
                raise ValueError("too large")
            document = json.loads(data)
            text = document["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            _fail("answered with something that is not a chat completion")
        if not isinstance(text, str) or not text.strip():
            _fail("answered with no text")
        usage = document.get("usage")
        tokens_in = _tokens(usage, "prompt_tokens", prompt_tokens)
        tokens_out = _tokens(usage, "completion_tokens", most_tokens)
        return Answer(text, self.price(tokens_in, tokens_out))


def _tokens(usage: Any, name: str, otherwise: int) -> int:
    """What the server says it used; without a word from it, the most it could have been."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _fail_status(error: urllib.error.HTTPError) -> NoReturn:
    """Overload and faults of the server may pass; a refused key or an unknown model does not by itself."""
    retryable = error.code in (408, 409, 425, 429) or error.code >= 500
    after = error.headers.get("Retry-After", "") if error.headers else ""
    _fail(f"answered with status {error.code}", retryable=retryable, after=float(after) if after.isdigit() else 1)


def _fail(what: str, *, retryable: bool = True, after: float = 1) -> NoReturn:
    guidance = (
        f"Try again in {after:g} second(s), at most 3 times, doubling the wait."
        if retryable
        else "Trying again will not help: check GROWTH_LLM_BASE_URL, GROWTH_LLM_MODEL and GROWTH_LLM_API_KEY."
    )
    raise DependencyFailed(
        f"The language model {what}.",
        hint=guidance,
        code="growth.llm_failed",
        retryable=retryable,
        retry_after_seconds=after,
    )


def configured(environment: Mapping[str, str]) -> OpenAICompatible:
    """The provider the environment describes."""
    base_url, model = environment.get("GROWTH_LLM_BASE_URL", ""), environment.get("GROWTH_LLM_MODEL", "")
    for name, value in (("GROWTH_LLM_BASE_URL", base_url), ("GROWTH_LLM_MODEL", model)):
        if not value:
            raise InputRefused(
                f"{name} is not set, so there is no language model to ask.",
                hint="Set it, or leave --llm-provider out to fill our own templates.",
                code="growth.llm_not_configured",
            )
    parts = urlsplit(base_url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InputRefused(
            "GROWTH_LLM_BASE_URL must be an https address, or http on this machine.",
            hint="The key would travel readable for everyone on the way.",
            code="growth.llm_not_configured",
        )
    prices = [_price(environment, f"GROWTH_LLM_USD_PER_MTOK_{way}") for way in ("IN", "OUT")]
    return OpenAICompatible(base_url, model, environment.get("GROWTH_LLM_API_KEY", ""), *prices)


def _price(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name, "")
    try:
        price = float(text) if text else PESSIMISTIC_PRICE
    except ValueError:
        price = -1.0
    if not math.isfinite(price) or price < 0:
        raise InputRefused(f"{name} is not a price in US dollars.", hint="Write a number such as 2.5.")
    return price


def from_environment() -> OpenAICompatible:
    return configured(os.environ)


PROVIDERS: Final[dict[str, Callable[[], Provider]]] = {
    "openai": from_environment,
    "openai-compatible": from_environment,
}


def provider(name: str) -> Provider:
    if name not in PROVIDERS:
        raise InputRefused(
            f"There is no language model provider {name!r}.",
            hint=f"Known: {', '.join(PROVIDERS)}.",
            code="growth.llm_not_configured",
        )
    return PROVIDERS[name]()
