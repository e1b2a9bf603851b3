"""What the configuration of the jobs repo may hold. Many of git's settings name a program to run; here is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

Settings = tuple[tuple[str, str], ...]
"""(key, value) pairs as `git config --list --null` gives them, keys in lower case but for the middle part."""

SWITCHED = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.sshCommand=false",
    "core.editor=false",
    "core.pager=cat",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.symlinks=false",
    "core.protectNTFS=true",
    "core.protectHFS=true",
    "core.logAllRefUpdates=true",
    "core.quotePath=false",
    "core.splitIndex=false",
    "core.untrackedCache=false",
    "core.fsync=committed,loose-object,reference",
    "core.fsyncMethod=batch",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "transfer.fsckObjects=true",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "http.followRedirects=false",
    "credential.helper=",
    "rerere.enabled=false",
    "diff.renames=false",
    "color.ui=false",
)
"""Said with every call: what could run a program, reach out, or change bytes."""

NAME = "Longhouse Jobs"
EMAIL = "jobs@localhost"

BOOLEAN = re.compile(r"true|false|yes|no|on|off|0|1|", re.IGNORECASE)
ANY = re.compile(r".*", re.DOTALL)
ALLOWED: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"core\.repositoryformatversion"), re.compile(r"[01]")),
    (re.compile(r"extensions\.objectformat"), re.compile(r"sha1|sha256")),
    (re.compile(r"core\.bare"), re.compile(r"false", re.IGNORECASE)),
    (re.compile(r"core\.(filemode|logallrefupdates|ignorecase|precomposeunicode|symlinks)"), BOOLEAN),
    (re.compile(r"user\.[a-z]+"), ANY),
    (re.compile(r"branch\..+"), ANY),
    (re.compile(r"remote\..+\.(url|fetch)"), ANY),
)
"""Ordinary git writes user.*, branch.* and remote.*; our own calls use none of them but user.name and user.email."""
FILES = ("config.worktree", "objects/info/alternates", "commondir")
"""Files that lead git to other settings or objects; a repository of one work tree has none."""


def parse(listing: bytes) -> Settings:
    items = (item.partition("\n") for item in listing.decode("utf-8", "replace").split("\0") if item)
    return tuple((key, value) for key, _, value in items)


def refused(git_dir: Path, settings: Settings) -> tuple[str, ...]:
    """The keys that are not allowed, each once, and files that would redirect git elsewhere."""
    keys = [key for key, value in settings if not _allowed(key, value)]
    files = [name for name in FILES if _holds(git_dir / name)]
    return tuple(dict.fromkeys(keys + files))


def identity(settings: Settings) -> dict[str, str]:
    """Who our commits are by: the repository's own user.*, else the instance."""
    known = dict(settings)
    return {"name": known.get("user.name") or NAME, "email": known.get("user.email") or EMAIL}


def removal(refused: Sequence[str]) -> str:
    """Commands for a person, in the jobs folder."""
    keys = [f"git config --unset-all {key}" for key in refused if key not in FILES]
    return "; ".join(keys + [f"rm .git/{name}" for name in refused if name in FILES])


def stamp(git_dir: Path) -> tuple[int, ...] | None:
    """Changes with every change of the configuration; None when there is none. Nobody can set a ctime by hand."""
    found: list[int] = []
    for name in ("config", *FILES):
        try:
            info = (git_dir / name).stat()
        except OSError:
            found.append(0)
        else:
            found += [info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns]
    return tuple(found) if found[0] else None


def write_new(git_dir: Path, *, like: Path | None = None) -> None:
    """The configuration of a repository we make; `like` is one whose object format it must share."""
    sha256 = like is not None and _object_format(like) == "sha256"
    lines = ["[core]", f"\trepositoryformatversion = {int(sha256)}", "\tfilemode = true", "\tbare = false"]
    lines += ["\tlogallrefupdates = true"]
    lines += ["[extensions]", "\tobjectformat = sha256"] if sha256 else []
    (git_dir / "config").write_text("\n".join(lines) + "\n")


def _object_format(git_dir: Path) -> str:
    """The one setting that even a refused configuration is asked for: without it nothing could be read."""
    try:
        text = (git_dir / "config").read_text("utf-8", "replace")
    except OSError:
        text = ""
    return "sha256" if re.search(r"^\s*objectformat\s*=\s*sha256\s*$", text, re.IGNORECASE | re.MULTILINE) else "sha1"


def _allowed(key: str, value: str) -> bool:
    return any(name.fullmatch(key) and values.fullmatch(value) for name, values in ALLOWED)


def _holds(path: Path) -> bool:
    """Whether the file is there with something in it (a broken link counts: it was put there)."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return path.is_symlink()
