"""Signing in with a code: it is typed at GitHub, and the server asks GitHub until somebody has.

What is under way is a sealed row, so a restart goes on asking.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from longhouse import secrets
from longhouse.errors import Invalid, LonghouseError
from longhouse.house import By, House
from longhouse.repo import github_account
from longhouse.repo import github_refusals as refusals
from longhouse.repo.github import GitHub, Grant
from longhouse.store import events
from longhouse.store.database import Connection
from longhouse.vault import Secret

REALM = github_account.REALM
ROW = "device"
CLIENT = "client"
SLOWER_SECONDS = 5
"""What `slow_down` adds when it does not say the new interval."""


@dataclass(frozen=True)
class Device:
    client_id: str
    user_code: str
    verification_uri: str
    interval: int
    """Seconds between two questions, as GitHub wants it."""
    expires_at: int
    next_at: int
    by: str
    surface: str
    waiting: str = ""
    """Why the last question had no answer; it is asked again."""
    code: str = ""
    """Of the error that ended it; empty while it goes on."""
    sentence: str = ""
    hint: str = ""

    @property
    def ended(self) -> bool:
        return bool(self.code)


def client_id(house: House) -> str:
    """Of the settings, else what was typed into the page; empty: neither."""
    if house.outward.client_id:
        return house.outward.client_id
    with house.db.read() as db:
        text = secrets.opened(house, db, REALM, CLIENT)
    return json.loads(text)["client_id"] if text else ""


def get(house: House) -> Device | None:
    """The sign-in that is under way, or has failed; None when there is none, or it ended well."""
    found = _opened(house)
    return None if found is None else found[0]


def begin(house: House, by: By, given: str = "") -> Device:
    """Ask GitHub for a code; the one before is forgotten. `given` is a client id to use and to keep.

    Raises Invalid, SignInRefused, and what the network says.
    """
    known = given.strip() or client_id(house)
    if not (
        known.isascii() and known.replace(".", "").replace("-", "").replace("_", "").isalnum() and len(known) < 100
    ):
        message = "the client id of a GitHub App or OAuth App is needed to sign in with a code"
        hint = "It is on the App's page at GitHub, and no secret. Without an App, use a token."
        raise Invalid(message, hint=hint, errors=[{"in": "body", "pointer": "/client_id", "message": message}])
    made = GitHub(house.outward).device_code(known)
    now = house.clock.now()
    device = Device(
        client_id=known,
        user_code=made.user_code,
        verification_uri=made.verification_uri,
        interval=made.interval,
        expires_at=now + made.seconds * 1000,
        next_at=now + made.interval * 1000,
        by=by.name,
        surface=by.surface,
    )
    with house.db.write() as db:
        if given.strip():
            secrets.store(house, db, REALM, CLIENT, json.dumps({"client_id": known}), by)
        _store(house, db, device, made.device_code)
    house.feed.github.ring()
    return device


def cancel(house: House) -> bool:
    """Stop asking, and forget the code; False if there was none."""
    with house.db.write() as db:
        gone = secrets.forget(db, REALM, ROW)
        events.append(db, "repo.changed", "repo", {"github": "cancelled"}, house.clock.now())
    return gone


def step(house: House) -> float | None:
    """Ask GitHub once, if it is time; seconds until the next question, None: nothing is under way."""
    found = _opened(house)
    if found is None or found[0].ended:
        return None
    device, device_code = found
    now = house.clock.now()
    if now < device.next_at:
        return (device.next_at - now) / 1000
    if now >= device.expires_at:
        _ended(house, device, refusals.sign_in({"error": "expired_token"}))
        return None
    try:
        answer = GitHub(house.outward).device_grant(device.client_id, device_code)
    except (refusals.Down, refusals.Unreachable, refusals.RateLimited) as error:
        return _again(house, device, device_code, waiting=error.message)
    except LonghouseError as error:
        _ended(house, device, error)
        return None
    if isinstance(answer, Grant):
        _granted(house, device, answer)
        return None
    return _refused(house, device, device_code, answer)


def _refused(house: House, device: Device, device_code: Secret, answer: dict[str, Any]) -> float | None:
    if answer.get("error") == "authorization_pending":
        return _again(house, device, device_code)
    if answer.get("error") == "slow_down":
        told = answer.get("interval")
        slower = told if isinstance(told, int) and told > device.interval else device.interval + SLOWER_SECONDS
        return _again(house, replace(device, interval=slower), device_code)
    _ended(house, device, refusals.sign_in(answer))
    return None


def _again(house: House, device: Device, device_code: Secret, *, waiting: str = "") -> float | None:
    now = house.clock.now()
    later = replace(device, next_at=now + device.interval * 1000, waiting=waiting)
    _if_still(house, device, lambda db: _store(house, db, later, device_code))
    if waiting != device.waiting:
        _tell(house, "waiting")
    return float(device.interval)


def _ended(house: House, device: Device, error: LonghouseError) -> None:
    last = replace(device, code=error.code, sentence=error.message, hint=error.hint)
    _if_still(house, device, lambda db: _store(house, db, last, Secret("")))
    _tell(house, "refused")


def _granted(house: House, device: Device, grant: Grant) -> None:
    by = By(device.by, device.surface)

    def keep(db: Connection) -> None:
        secrets.forget(db, REALM, ROW)
        github_account.keep(house, db, grant, flow="device", client_id=device.client_id, by=by)

    if _if_still(house, device, keep):
        github_account.name(house)


def _if_still(house: House, device: Device, act: Callable[[Connection], object]) -> bool:
    """`act` in a transaction, unless somebody has cancelled meanwhile or begun anew."""
    with house.db.write() as db:
        found = _opened_in(house, db)
        if found is None or found[0].user_code != device.user_code:
            return False
        act(db)
    return True


def _tell(house: House, what: str) -> None:
    with house.db.write() as db:
        events.append(db, "repo.changed", "repo", {"github": what}, house.clock.now())


def _store(house: House, db: Connection, device: Device, device_code: Secret) -> None:
    secrets.store_facts(house, db, REALM, ROW, asdict(device), By(device.by, device.surface), device_code)


def _opened(house: House) -> tuple[Device, Secret] | None:
    with house.db.read() as db:
        return _opened_in(house, db)


def _opened_in(house: House, db: Connection) -> tuple[Device, Secret] | None:
    found = secrets.opened_facts(house, db, REALM, ROW)
    if found is None:
        return None
    facts, (device_code,) = found
    return Device(**facts), device_code
