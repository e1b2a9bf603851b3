"""The keyring of the instance, and what is random or secret about it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from longhouse.errors import CannotStart


@dataclass(frozen=True)
class Keys:
    """The keyring file `keys/master.json`. `vault_id` is made once and survives a restore."""

    vault_id: str
    audit_key: bytes = field(repr=False)

    def chain(self, previous: str, event: bytes) -> str:
        """HMAC-SHA256 over the previous hash and this event: a changed, lost or moved row breaks every later one."""
        return hmac.new(self.audit_key, previous.encode() + b"\n" + event, hashlib.sha256).hexdigest()


def open_keys(path: Path, *, may_create: bool) -> Keys:
    """The keyring; made at first boot. Raises CannotStart if it is missing later, unreadable or open to others."""
    if not path.exists():
        if not may_create:
            raise CannotStart(
                f"the keyring {path} is gone, but the database was written with it",
                hint="Put the file back from where you keep it: stored secrets and the audit trail depend on it.",
            )
        _create(path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise CannotStart(f"the keyring {path} can be read by others (mode {mode:o})", hint=f"chmod 600 {path}")
    try:
        content = json.loads(path.read_text())
        return Keys(vault_id=content["vault_id"], audit_key=base64.b64decode(content["audit_key"], validate=True))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CannotStart(
            f"the keyring {path} cannot be read: {error}", hint="Restore it from where you keep it."
        ) from error


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {
        "vault_id": secrets.token_hex(16),
        "audit_key": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    write_private(path, json.dumps(content, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file with `text` that only we can read; whole or not at all, also after a power cut."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def new_token() -> str:
    """An API token: 256 bit, told by its prefix."""
    return "lhj_" + secrets.token_urlsafe(32)


def digest(value: str) -> str:
    """What is stored of a token, session or login code. They are random, so a plain hash suffices."""
    return hashlib.sha256(value.encode()).hexdigest()
