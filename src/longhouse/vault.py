"""The keyring of the instance, and what is random or secret about it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longhouse.errors import CannotStart

KEY_BYTES = 32


@dataclass(frozen=True)
class Secret:
    """A value that prints as dots; `reveal()` is the one way to read it."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "••••"


class Keys:
    """The keyring file `keys/master.json`, and the one place that writes it.

    `vault_id` is made once and survives a restore. The sealing keys have ids; new values are sealed with the `current`
    one, the others are there to read what has not been sealed anew yet.
    """

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.vault_id = str(content["vault_id"])
        self.audit_key = base64.b64decode(content["audit_key"], validate=True)
        self._sealing = {str(id): base64.b64decode(key, validate=True) for id, key in content["sealing"].items()}
        self._retired: dict[str, bytes] = {}
        """Gone from the file; whoever read a row just before it was sealed anew may still open it."""
        if not self._sealing or any(len(key) != KEY_BYTES for key in self._sealing.values()):
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes, and there is one at least")

    @property
    def current(self) -> str:
        """Id of the newest sealing key."""
        return list(self._sealing)[-1]

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all sealing keys, oldest first."""
        return tuple(self._sealing)

    def sealing(self, id: str) -> bytes | None:
        return self._sealing.get(id) or self._retired.get(id)

    def add(self) -> str:
        """A new sealing key, on disk before anything is sealed with it; its id."""
        with self._lock:
            id = secrets.token_hex(4)
            self._keep({**self._sealing, id: secrets.token_bytes(KEY_BYTES)})
            return id

    def retire(self, id: str) -> None:
        """Forget a sealing key that nothing is sealed with any more. Raises ValueError for the current one."""
        if id == self.current:
            raise ValueError("the current key cannot be retired")
        with self._lock:
            self._retired[id] = self._sealing[id]
            self._keep({each: key for each, key in self._sealing.items() if each != id})

    def _keep(self, sealing: dict[str, bytes]) -> None:
        write_private(self._path, _content(self.vault_id, self.audit_key, sealing))
        self._sealing = sealing

    def chain(self, previous: str, event: bytes) -> str:
        """HMAC-SHA256 over the previous hash and this event: a changed, lost or moved row breaks every later one."""
        return hmac.new(self.audit_key, previous.encode() + b"\n" + event, hashlib.sha256).hexdigest()

    def fingerprint(self, value: bytes) -> str:
        """What the audit trail says of a secret: equal for equal values, and no way back."""
        return hmac.new(self.audit_key, b"value\n" + value, hashlib.sha256).hexdigest()


def open_keys(path: Path, *, may_create: bool) -> Keys:
    """The keyring; made at first boot. Raises CannotStart if it is missing later, unreadable or open to others."""
    if not path.exists():
        if not may_create:
            raise CannotStart(
                f"the keyring {path} is gone, but the database was written with it",
                hint="Put the file back from where you keep it: stored secrets and the audit trail depend on it.",
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = {secrets.token_hex(4): secrets.token_bytes(KEY_BYTES)}
        write_private(path, _content(secrets.token_hex(16), secrets.token_bytes(KEY_BYTES), first))
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise CannotStart(f"the keyring {path} can be read by others (mode {mode:o})", hint=f"chmod 600 {path}")
    try:
        return Keys(path, json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise CannotStart(
            f"the keyring {path} cannot be read: {error}", hint="Restore it from where you keep it."
        ) from error


def _content(vault_id: str, audit_key: bytes, sealing: Mapping[str, bytes]) -> str:
    content = {
        "vault_id": vault_id,
        "audit_key": base64.b64encode(audit_key).decode(),
        "sealing": {id: base64.b64encode(key).decode() for id, key in sealing.items()},
    }
    return json.dumps(content, indent=2) + "\n"


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
