"""The pre-commit hook for commits that people make in the tree: it has what is staged looked through for secrets.

It is git's own default place in the repository, so no setting names it, and our own calls, which switch hooks off, do
not run it: what they commit is looked through before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from longhouse.errors import UsageError
from longhouse.paths import Paths
from longhouse.repo.git import COMMIT, Git
from longhouse.repo.leaks import LARGEST, Finds, Leak, in_bytes

NAME = "pre-commit"
OURS = "# Longhouse Jobs writes this file at every start."
TEXT = f"""#!/bin/sh
{OURS} A pre-commit hook of your own in its place stays as it is.
# No commit gets the value of a stored secret, or what looks like a token: history cannot be made to forget it.
command="$(git rev-parse --git-common-dir)/../bin/longhouse-jobs"
if [ ! -x "$command" ]; then
    echo "warning: nothing looked for secrets in this commit: $command is not there until the server has started" >&2
    exit 0
fi
git diff --cached --raw -z --no-abbrev --no-renames | "$command" check --staged -
"""
REMOVED = "D"
LINK_TO_REPOSITORY = "160000"


def install(paths: Paths) -> bool:
    """False if there is a hook of somebody else's: that one stays."""
    place = paths.git_dir / "hooks" / NAME
    with suppress(OSError, UnicodeDecodeError):
        if place.read_text("utf-8") == TEXT:
            return True
    if (place.exists() or place.is_symlink()) and not _ours(place):
        return False
    place.parent.mkdir(exist_ok=True)
    part = place.with_name(f".{NAME}.swp")
    part.write_text(TEXT, "utf-8")
    part.chmod(0o755)
    part.replace(place)
    return True


def leaks(git: Git, listed: bytes, finds: Finds) -> Iterator[Leak]:
    """Of each staged file that holds something, the first. `listed` is what `git diff --cached --raw -z --no-abbrev`
    prints. Raises UsageError for another text, GitFailed for a file that is in no object."""
    items = listed.split(b"\0")
    for head, path in zip(items[:-1:2], items[1::2], strict=False):
        fields = head.decode("ascii", "replace").lstrip(":").split(" ")
        if len(fields) != 5 or not COMMIT.match(fields[3]):
            raise UsageError("this is no list of staged files", hint="Make it: git diff --cached --raw -z --no-abbrev")
        if fields[4] == REMOVED or fields[1] == LINK_TO_REPOSITORY:
            continue
        data = git.read("cat-file", "blob", fields[3], limit=LARGEST).out
        found = in_bytes(os.fsdecode(path), data, finds)
        if found is not None:
            yield found


def _ours(place: Path) -> bool:
    try:
        return OURS in place.read_text("utf-8", "replace")
    except OSError:
        return False
