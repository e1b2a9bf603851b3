"""Values that are stored encrypted: sealed for one place, and readable nowhere else. Pure.

AES-256-GCM twice: a data key of its own for each value, and a key of the keyring around that data key, so that a
rotation writes a few bytes anew and not the values. Both are bound to the vault, the table, the row, the field and the
version: a sealed value that somebody moves to another row does not open there.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass

from longhouse.errors import LonghouseError
from longhouse.vault import KEY_BYTES, Keys

FORMAT = "v1"
NONCE_BYTES = 12


class Unreadable(LonghouseError):
    """A sealed value does not open: another keyring, a changed byte, or the value of another row."""

    code = "secrets.unreadable"
    kind = "internal"


@dataclass(frozen=True)
class Place:
    """Where a sealed value lives."""

    table: str
    row: str
    field: str
    version: int

    def bound(self, keys: Keys, *more: str) -> bytes:
        """As the additional data of the encryption; JSON, so that no two places read the same."""
        return json.dumps([keys.vault_id, self.table, self.row, self.field, self.version, *more]).encode()


def seal(keys: Keys, place: Place, value: bytes) -> str:
    """`v1.<key id>.<wrapped data key>.<nonce and ciphertext>`, with the current key."""
    data_key = secrets.token_bytes(KEY_BYTES)
    return ".".join((FORMAT, *_wrapped(keys, place, data_key), _encrypt(data_key, place.bound(keys), value)))


def unseal(keys: Keys, place: Place, sealed: str) -> bytes:
    """Raises Unreadable, saying which row it is."""
    data_key, content = _opened(keys, place, sealed)
    return _decrypt(data_key, place.bound(keys), content, place)


def rewrap(keys: Keys, place: Place, sealed: str) -> str:
    """The same value and data key, from now on under the current key. Raises Unreadable."""
    data_key, content = _opened(keys, place, sealed)
    return ".".join((FORMAT, *_wrapped(keys, place, data_key), content))


def key_of(sealed: str) -> str:
    """Id of the keyring's key that the value is sealed with."""
    return sealed.split(".", 2)[1] if sealed.count(".") == 3 else ""


def _wrapped(keys: Keys, place: Place, data_key: bytes) -> tuple[str, str]:
    id = keys.current
    key = keys.sealing(id)
    assert key is not None
    return id, _encrypt(key, place.bound(keys, id), data_key)


def _opened(keys: Keys, place: Place, sealed: str) -> tuple[bytes, str]:
    """The data key, and what it opens."""
    format, _, rest = sealed.partition(".")
    parts = rest.split(".")
    if format != FORMAT or len(parts) != 3:
        raise _unreadable(place, "it is not in a format that this version knows")
    id, wrapped, content = parts
    key = keys.sealing(id)
    if key is None:
        raise _unreadable(place, f"the keyring has no key {id[:16]!r}")
    return _decrypt(key, place.bound(keys, id), wrapped, place), content


def _encrypt(key: bytes, bound: bytes, value: bytes) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, value, bound)).decode()


def _decrypt(key: bytes, bound: bytes, text: str, place: Place) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(raw).decode() != text:
            raise ValueError("the last character has bits that mean nothing")
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError) as error:
        raise _unreadable(
            place, "it was changed, moved here from another row, or sealed by another instance"
        ) from error


def _unreadable(place: Place, why: str) -> Unreadable:
    return Unreadable(
        f"the stored value of {place.row!r} cannot be read: {why}",
        hint="Put back the keyring (keys/master.json) that belongs to this database, or store the value again.",
    )
