"""Which kind of file system the database is on: over a network its locks and its shared memory do not hold."""

from __future__ import annotations

import os
from pathlib import Path

from longhouse.errors import CannotStart

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs", "ocfs2", "gfs2", "9p"),
        *("coda", "orangefs", "beegfs", "glusterfs", "fuse"),
    }
)
"""`fuse.…` (sshfs, rclone, s3fs) counts as well; `fuseblk` is a disk of this machine."""


def kind(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that holds `path`, as the kernel names it; None if it cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real, found, nearest = os.path.realpath(path), None, ""
    for line in lines:  # later ones lie over earlier ones
        before, _, after = line.partition(" - ")
        place = _plain(before.split(" ")[4])
        inside = real == place or real.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(nearest):
            nearest, found = place, after.split(" ")[0]
    return found


def _plain(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def refuse_network(data: Path, mounts: Path = MOUNTS) -> None:
    """Raises CannotStart."""
    found = kind(data, mounts)
    if found is not None and (found in NETWORK or found.startswith("fuse.")):
        raise CannotStart(
            f"the data directory {data} is on a file system of the kind {found}: a database there can be damaged",
            hint="Choose a folder on a disk of this machine with --data-dir; copy backups to the network instead.",
        )
