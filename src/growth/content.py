"""Drafts of eight kinds filled from a profile; prohibited words never appear in one, required disclaimers always do."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from growth.errors import InputRefused
from growth.figures import cut, utf16_length
from growth.profiles import Profile
from growth.redaction import Redaction
from growth.wording import TEMPLATES
from jobforge.canonical import sha256_of

LIMITS: Final = {"meta_description": 160, "title_tag": 60}  # UTF-16 units
MOST_VARIANTS: Final = 50


@dataclass(frozen=True)
class Brief:
    """What is asked for; all texts are already redacted."""

    profile_name: str
    content_type: str
    goal: str
    keywords: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    audience: str = ""


class Writer(Protocol):
    """Writes one text; may fail with DependencyFailed. What it may cost is its own business and limit."""

    def write(self, brief: Brief, profile: Profile, variant: int) -> str: ...


@dataclass(frozen=True)
class TemplateWriter:
    """Fills our own templates: no model, no network, the same text for the same brief."""

    def write(self, brief: Brief, profile: Profile, variant: int) -> str:
        texts = TEMPLATES[brief.content_type]
        return texts[variant % len(texts)].format_map(_Fields(_fields(brief, profile, variant)))


class _Fields(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def draft(brief: Brief, profile: Profile, writer: Writer, redaction: Redaction, *, variant: int = 0) -> dict[str, Any]:
    """One draft as a document. Its id is derived from its content.

    All of it is redacted but the disclaimers: the owner of the profile must publish those, contact details included.

    `content` holds the disclaimers where they fit; `disclaimers` always lists them; whoever publishes shows both.
    """
    prohibited = Prohibited(profile.prohibited())
    disclaimers = [text.strip() for text in profile.required_disclaimers if text.strip()]
    check(profile, brief.profile_name)
    text = prohibited.removed(redaction.text(writer.write(brief, profile, variant)))
    limit = LIMITS.get(brief.content_type)
    content = _limited(text, disclaimers, limit, prohibited) if limit else "\n\n".join([text, *disclaimers]).strip()
    document: dict[str, Any] = {
        "profile_name": brief.profile_name,
        "content_type": brief.content_type,
        "goal": prohibited.removed(brief.goal),
        "variant": variant + 1,
        "content": content,
        "length": utf16_length(content),
        "disclaimers": disclaimers,
    }
    return {"id": f"draft-{sha256_of(document)[:32]}", **document}


def check(profile: Profile, name: str) -> None:
    """Refuses a profile that requires what it prohibits."""
    prohibited = Prohibited(profile.prohibited())
    clashing = next((text for text in profile.required_disclaimers if prohibited.occurs(text)), None)
    if clashing is not None:
        raise InputRefused(
            f"The profile {name!r} requires the disclaimer {clashing!r}, which holds a word it prohibits.",
            hint="Change required_disclaimers or the prohibited words.",
            code="growth.profile_conflict",
        )


def _limited(text: str, disclaimers: list[str], limit: int, prohibited: "Prohibited") -> str:
    line = " ".join(text.split())
    whole = " ".join([line, *disclaimers])
    if utf16_length(whole) <= limit:
        return whole
    tail = " ".join(disclaimers)
    room = limit - utf16_length(tail) - 1
    if disclaimers and room >= limit // 3:
        return f"{prohibited.removed(cut(line, room))} {tail}"
    return prohibited.removed(cut(line, limit))


@dataclass
class Prohibited:
    """Takes prohibited words out of a text, whatever their case, spacing or ending, until none is left."""

    terms: list[str]
    pattern: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        longest_first = sorted({term.strip() for term in self.terms}, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(_term, longest_first)), re.IGNORECASE) if longest_first else None

    def removed(self, text: str) -> str:
        while self.pattern and self.pattern.search(text):
            text = _tidy(self.pattern.sub("", text))
        return text

    def occurs(self, text: str) -> bool:
        return bool(self.pattern and self.pattern.search(text))


def _term(term: str) -> str:
    """Words of four letters and more take their endings along (`magic` also means `magical`); white space is any."""
    body = r"[\s\-\u00a0_]+".join(map(re.escape, re.split(r"[\s-]+", term)))
    start = r"(?<!\w)" if re.match(r"\w", term) else ""
    if not re.search(r"\w\Z", term):
        return start + body
    return start + body + (r"\w*" if len(term) >= 4 else r"(?!\w)")


def _tidy(text: str) -> str:
    """No doubled spaces, no orphaned punctuation where a word was."""
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r"[ \t]+([,.;:!?])", r"\1", text)
    text = re.sub(r"([,;:])(?:[ \t]*[,;:])+", r"\1", text)
    text = re.sub(r"(?m)^[ \t]*[,.;:][ \t]*", "", text)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip()


def _fields(brief: Brief, profile: Profile, variant: int) -> dict[str, str]:
    """What templates may name; empty lists of a profile fall back to plain words."""
    keywords = brief.keywords or (*profile.keywords.primary, *profile.keywords.secondary)
    features = brief.features or tuple(feature.name for feature in profile.features)
    benefits = [benefit for feature in profile.features for benefit in feature.benefits]
    pains, goals = profile.icp.pain_points, profile.icp.goals
    return {
        "name": profile.name,
        "goal": brief.goal.strip().rstrip("."),
        "audience": brief.audience or profile.icp.description or "people like you",
        "keyword": _nth(keywords, variant, profile.name),
        "keywords": ", ".join(keywords[:5]),
        "pain": _nth(pains, variant, "work that takes too long").lower(),
        "wish": _nth(goals, variant, brief.goal).lower(),
        "benefit": _nth(benefits, variant, "Less to do by hand"),
        "feature": _nth(features, variant, profile.name),
        "feature_list": "\n".join(f"- {feature}" for feature in features[:8]) or f"- {profile.name}",
        "style": profile.voice.style_guide,
    }


def _nth(texts: tuple[str, ...] | list[str], index: int, otherwise: str) -> str:
    return texts[index % len(texts)] if texts else otherwise
