"""What each setting of a job may be. A check returns the rest of a sentence that starts with its name, or None."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Check = Callable[[Any], str | None]

LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
IN_SLUGS = LOWER | {"_", "-"}
RESERVED_IDS = ("repo", "new")
SECRET_KEYS = ("key", "label", "type", "placeholder", "description", "required")
DAY = 86400


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_slug(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value[0] in LOWER and IN_SLUGS.issuperset(value)


def slug(value: Any) -> str | None:
    if is_slug(value):
        return None
    return f"is {value!r}, but has to be 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit"


def job_id(value: Any) -> str | None:
    if value in RESERVED_IDS:
        return f"must not be {value!r}: that word is taken by an address of the pages or the API"
    return slug(value)


def flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"is {value!r}, but has to be True or False"


def text(longest: int, *, empty: bool = True) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return f"is {value!r}, but has to be text"
        if not empty and not value.strip():
            return "must not be empty"
        return None if len(value) <= longest else f"has {len(value)} characters, but {longest} is the most"

    return check


def whole(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        fits = is_whole(value) and low <= value <= high
        return None if fits else f"is {value!r}, but has to be a whole number from {low} to {high}"

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any) -> str | None:
        fits = is_number(value) and low <= value <= high
        return None if fits else f"is {value!r}, but has to be a number from {low:g} to {high:g}"

    return check


def one_of(*choices: str) -> Check:
    def check(value: Any) -> str | None:
        return None if value in choices else f"is {value!r}, but has to be one of {', '.join(choices)}"

    return check


def maybe(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def cron(value: Any) -> str | None:
    """The shape only: what the fields say is checked where they are computed, in the instance."""
    if not isinstance(value, str):
        return f"is {value!r}, but has to be text such as '0 8 * * *'"
    fields = value.split()
    if len(fields) == 1 and fields[0].startswith("@") and fields[0][1:].isalpha():
        return None
    if len(fields) in (5, 6):
        return None
    return f"is {value!r}, but has to have 5 fields (6 with seconds first), or be a word such as @daily"


def zone(value: Any) -> str | None:
    if isinstance(value, str) and value.strip() == value and value:
        return None
    return f"is {value!r}, but has to be a name such as 'Europe/Berlin'"


def tags(value: Any) -> str | None:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        return f"is {value!r}, but has to be a list of words"
    wrong = [each for each in value if not isinstance(each, str) or not each.strip() or len(each) > 64]
    return f"has {wrong[0]!r} in it, but a tag is text of 1 to 64 characters" if wrong else None


def params(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"is {value!r}, but has to be a dict of parameter names and values"
    wrong = [key for key in value if not isinstance(key, str)]
    return f"has the name {wrong[0]!r} in it, but names are text" if wrong else None


def secrets(value: Any) -> str | None:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        return f"is {value!r}, but has to be a list of names, or of dicts with a key"
    seen = set()
    for each in value:
        problem = _secret(each)
        if problem:
            return problem
        key = each if isinstance(each, str) else each["key"]
        if key in seen:
            return f"names {key} twice"
        seen.add(key)
    return None


def _secret(each: Any) -> str | None:
    if isinstance(each, str):
        return _secret_name(each)
    if not isinstance(each, dict):
        return f"has {each!r} in it, but each is a name, or a dict with {', '.join(SECRET_KEYS)}"
    unknown = [key for key in each if key not in SECRET_KEYS]
    if unknown:
        return f"has the unknown {unknown[0]!r} in it; a secret has {', '.join(SECRET_KEYS)}"
    if "key" not in each:
        return f"has {each!r} in it, which lacks its key"
    for key, value in each.items():
        wanted = bool if key == "required" else str
        if not isinstance(value, wanted):
            return f"has {key}={value!r} in it, but that has to be {'True or False' if wanted is bool else 'text'}"
    return _secret_name(each["key"])


def _secret_name(name: Any) -> str | None:
    """Secrets become environment variables, so they are named like those."""
    if isinstance(name, str) and name.isascii() and name.isidentifier() and len(name) <= 128:
        return None
    return f"has the name {name!r} in it, but a name is letters, digits and _, not starting with a digit"


CHECKS: dict[str, Check] = {
    "id": job_id,
    "cron": maybe(cron),
    "every": maybe(whole(1, 366 * DAY)),
    "timezone": maybe(zone),
    "enabled": flag,
    "description": text(4000),
    "tags": tags,
    "project": maybe(text(100, empty=False)),
    "params": params,
    "timeout_seconds": number(0.1, 31 * DAY),
    "max_attempts": whole(1, 100),
    "retry_delay_seconds": number(0, 3600),
    "overlap": one_of("skip", "queue", "allow"),
    "catch_up": one_of("skip", "latest", "all"),
    "max_catch_up": whole(1, 1000),
    "misfire_grace_seconds": number(0, 31 * DAY),
    "jitter_minutes": number(0, 1440),
    "priority": whole(-1000, 1000),
    "concurrency_group": maybe(slug),
    "concurrency_limit": whole(1, 1000),
    "memory_mb": maybe(whole(32, 1024 * 1024)),
    "secrets": secrets,
}


def problems(settings: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """One sentence for each mistake in the settings of one job. Most are at their defaults, which need no look."""
    given = [name for name in CHECKS if name not in defaults or settings[name] is not defaults[name]]
    found = [f"{name} {problem}" for name in given if (problem := CHECKS[name](settings[name]))]
    if settings["cron"] is not None and settings["every"] is not None:
        found.append("cron and every are both given, but a job has one schedule")
    if settings["concurrency_group"] is None and settings["concurrency_limit"] != 1:
        found.append("concurrency_limit is given without a concurrency_group for it to limit")
    return found
