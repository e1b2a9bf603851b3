"""What a password must be like, and its hash: argon2id, at most two at once."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from longhouse.tries import TooManyLogins

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST = 12
MOST = 1024
DIFFERENT = 5
"""Characters; `aaaaaaaaaaaa` and `abababababab` are long, and guessed at once."""
HASHES_AT_ONCE = 2
"""Each takes 64 MiB while it lasts."""
HASH_WAIT_SECONDS = 10

ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm"),
    "12345678901234567890",
)
CHOSEN = """
adminadmin adminpassword administrator administration changeme changemenow changemeplease correcthorsebatterystaple
defaultpassword dontforgetme football goodmorning iloveyou iloveyousomuch ilovelonghouse jobslonghouse letmein
letmeinplease letmeinnow longhouse longhousejobs longhousepassword masterpassword mypassword mysecretpassword
newpassword nopassword onceuponatime openopenopen ownerowner ownerpassword passphrase password passwordpassword
passwort passwortpasswort princess princessprincess qazwsxedcrfv qwertyqwerty rootroot rootpassword rootrootroot
secret secretpassword secretsecret sunshine superman superpassword supersecret temporary temporarypassword
thisisapassword thisismypassword thisissecret trustno test testpassword testtest testtesttest unbelievable
verysecret verysecretpassword welcome welcomehome welcometolonghouse whatever whateverwhatever wordpass
"""
GUESSED = frozenset(CHOSEN.split())
"""What people choose who have to reach twelve characters; digits and signs around it change nothing."""


def problem(password: str) -> str | None:
    """A sentence about what is wrong with a new password; None if nothing is."""
    if not LEAST <= len(password) <= MOST:
        return f"a password has {LEAST} to {MOST} characters; this one has {len(password)}"
    plain = re.sub(r"[\W_]", "", password.casefold())
    if len(set(password.casefold())) < DIFFERENT:
        return f"this password has fewer than {DIFFERENT} different characters"
    if plain and any(plain in row * 2 or plain[::-1] in row * 2 for row in ROWS):
        return "this password is a row of keys or letters, which is tried first"
    if re.sub(r"^\d+|\d+$", "", plain) in GUESSED or plain in GUESSED:
        return "this password is on every list of those that are tried first"
    return None


def hashed(password: str) -> str:
    with _Turn():
        return hasher().hash(password)


def verified(stored: str | None, password: str) -> str | None:
    """None: wrong. Empty: right. Else: right, and this is what should be stored from now on.

    Costs the same whether a password is set or not.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > MOST:
        return None
    with _Turn():
        found = hasher()
        if stored is None:
            found.hash(password)
            return None
        try:
            found.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return None
        return found.hash(password) if found.check_needs_rehash(stored) else ""


def hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


_hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)


class _Turn:
    """One of the few hashes at a time; raises TooManyLogins if none becomes free."""

    def __enter__(self) -> None:
        if not _hashing.acquire(timeout=HASH_WAIT_SECONDS):
            raise TooManyLogins("too many logins at once", hint="Try again in a moment.", retry_after_seconds=5)

    def __exit__(self, *_: object) -> None:
        _hashing.release()
