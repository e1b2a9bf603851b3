"""Content profiles: who is written for, in which voice, and which words may never or must always appear."""

import re
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, Field

from growth.errors import InputRefused
from growth.inputs import Section, Text, checked, read_file
from jobforge.envelope import Optionally

LARGEST: Final = 1024 * 1024  # bytes
BUILT_IN: Final = Path(str(files("growth") / "data" / "profiles"))
_NAME = re.compile(r"[^\W_][\w .+-]*")
_DEEPEST: Final = 10  # profiles in one chain of extends


class Icp(Section):
    description: str
    pain_points: list[str]
    goals: list[str]


class Voice(Section):
    tone: Text
    style_guide: str
    vocabulary: list[str]


class Keywords(Section):
    primary: list[str]
    secondary: list[str]
    prohibited: list[str]


class Feature(Section):
    name: Text
    description: str
    benefits: list[str]


class Profile(Section):
    name: Text
    extends: Optionally[str] = None
    icp: Icp
    voice: Voice
    keywords: Keywords
    features: list[Feature]
    prohibited_claims: list[str]
    required_disclaimers: list[str] = Field(default_factory=list)

    def prohibited(self) -> list[str]:
        """Words and claims that no draft may contain."""
        return [term for term in (*self.keywords.prohibited, *self.prohibited_claims) if term.strip()]


@dataclass
class Profiles:
    """The folders profiles are looked up in, first hit wins, and what was odd about those that were read."""

    folders: tuple[Path, ...]
    warnings: list[str] = field(default_factory=list)

    def load(self, name: str, *, named_by: str = "profile") -> Profile:
        """The profile with everything it inherits; a missing base is a warning, as the profile may be whole."""
        path = self._find(name, named_by)
        if path is None:
            shown = ", ".join(str(folder) for folder in self.folders)
            raise InputRefused(
                f"There is no profile {name!r} ({named_by}) in {shown}.",
                hint=f"Profiles that come with growth: {', '.join(built_in())}.",
                code="growth.no_such_profile",
            )
        merged = self._merged(path, (name,))
        return checked(Profile, merged, path)

    def _merged(self, path: Path, chain: tuple[str, ...]) -> dict[str, Any]:
        own = _read(path)
        base_name = own.get("extends")
        if not isinstance(base_name, str):
            return own
        if base_name in chain or len(chain) > _DEEPEST:
            raise InputRefused(
                f"{path} at /extends: the profiles {' -> '.join((*chain, base_name))} extend each other.",
                hint="Break the circle.",
            )
        base = self._find(base_name, f"{path.name}, extends")
        if base is None:
            self.warnings.append(f"{path} extends {base_name!r}, which does not exist; it is used as it stands.")
            return own
        return merged(self._merged(base, (*chain, base_name)), own)

    def _find(self, name: str, named_by: str) -> Path | None:
        """A profile is named, never addressed: no separators, no `..`, and no link that leads out of its folder."""
        if not _NAME.fullmatch(name) or ".." in name or len(name) > 100:
            raise InputRefused(
                f"{name!r} ({named_by}) is not the name of a profile.",
                hint="Use the plain name of a file in the profiles folder, without its ending.",
                code="growth.profile_name",
            )
        for folder in self.folders:
            for ending in (".yaml", ".yml"):
                path = folder / (name + ending)
                if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                    return path
        return None


def built_in() -> list[str]:
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` over `base`: objects key by key, lists joined, its own items first (features by name), else replaced."""
    result = dict(base)
    for key, value in own.items():
        inherited = base.get(key)
        if isinstance(value, dict) and isinstance(inherited, dict):
            result[key] = merged(inherited, value)
        elif isinstance(value, list) and isinstance(inherited, list):
            result[key] = _joined(inherited, value)
        else:
            result[key] = value
    return result


def _joined(inherited: list[Any], own: list[Any]) -> list[Any]:
    named = {item.get("name") for item in own if isinstance(item, dict)} - {None}
    kept = [item for item in inherited if not (isinstance(item, dict) and item.get("name") in named)]
    return own + [item for item in kept if item not in own]


def _read(path: Path) -> dict[str, Any]:
    data = read_file(path)
    if len(data) > LARGEST:
        raise InputRefused(f"{path} has more than {LARGEST:,} bytes.", hint="A profile is a page of text.")
    try:
        value = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise InputRefused(
            f"{path} is not YAML{where}.", hint="Check quotes and indentation.", code="growth.invalid_profile"
        ) from error
    if not isinstance(value, dict):
        checked(_Anything, value, path)
    return value if isinstance(value, dict) else {}


class _Anything(BaseModel):
    """Only an object is a profile."""
