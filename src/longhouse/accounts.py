"""Who may come in: one-time login codes, the owner's password, browser sessions, API tokens."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from longhouse import audit, passwords, vault
from longhouse.errors import Forbidden, Gone, Invalid, NotFound, StorageFull, Unavailable
from longhouse.house import SYSTEM, By, House
from longhouse.store import accounts as rows
from longhouse.store import settings
from longhouse.store.accounts import Token
from longhouse.store.database import Connection, Row
from longhouse.tries import BY_LINK, tries_of

SCOPES = (
    "jobs:read",
    "runs:read",
    "runs:write",
    "jobs:write",
    "repo:sync",
    "secrets:write",
    "bundles:submit",
    "bundles:approve",
    "commis",
    "admin",
)
OWNER = "owner"
"""The one account of an instance."""
MACHINE = "this machine"
"""The token that commands on the same machine find in the data directory; new at every start."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
CODE_MS = 15 * MINUTE_MS
NEW_LINK = "Get a new one on the machine itself: longhouse-jobs login-link"
IDLE_MS = 12 * HOUR_MS
ABSOLUTE_MS = 7 * 24 * HOUR_MS
MOST_SESSIONS = 200
SHORT = 16
SEEN_MS = 10 * MINUTE_MS
"""`seen_at` and `used_at` are written no more often than this: reading a page writes nothing."""


class LoginRefused(Forbidden):
    """The code or the password is not one that opens this instance."""

    code = "login.refused"


class LoginCodeSpent(Gone):
    """A login link works once, and for 15 minutes."""

    code = "login.code_spent"


@dataclass(frozen=True)
class NewSession:
    """What a browser is given at login; neither value is stored as it is or shown again."""

    cookie: str = field(repr=False)
    csrf: str = field(repr=False)


@dataclass(frozen=True)
class Session:
    """A living session; `id` is its digest."""

    id: str
    csrf: str = field(repr=False)
    created_at: int


@dataclass(frozen=True)
class Living:
    """A session as its owner sees it in a list."""

    id: str
    """The beginning of its digest: enough to tell sessions apart."""
    peer: str
    """The address it was opened from."""
    agent: str
    """What the browser called itself, cut."""
    created_at: int
    seen_at: int
    """Exact to ten minutes."""
    ends_at: int
    """If nobody uses it until then."""


@dataclass(frozen=True)
class NewToken:
    token: Token
    value: str = field(repr=False)
    """Shown once: only its digest is stored."""


# --- login links ----------------------------------------------------------------------------------------------------


def login_link(house: House, base_url: str, by: By) -> str:
    """An address that logs one browser in, once, within 15 minutes."""
    value, now = secrets.token_urlsafe(32), house.clock.now()
    with house.db.write() as db:
        rows.drop_codes(db, now - 24 * HOUR_MS)
        rows.add_code(db, vault.digest(value), now, now + CODE_MS)
        audit.record(house, db, by, "login_link.create", f"account:{OWNER}")
    return f"{base_url.rstrip('/')}/login?{urlencode({'code': value})}"


def redeem(house: House, code: str, peer: str, agent: str) -> NewSession:
    """A session for a login code, which is used up. Raises LoginRefused for an unknown one, LoginCodeSpent."""
    hash, now = vault.digest(code), house.clock.now()
    with house.db.write() as db:
        if not rows.use_code(db, hash, now):
            known = rows.code(db, hash)
            if known is None:
                raise LoginRefused("this login link is not one of this instance", hint=NEW_LINK)
            how = "has been used already" if known["used_at"] is not None else "is older than 15 minutes"
            raise LoginCodeSpent(f"this login link {how}", hint=NEW_LINK)
        return _open_session(house, db, "code", peer, agent)


# --- password -------------------------------------------------------------------------------------------------------


def has_password(house: House) -> bool:
    with house.db.read() as db:
        return settings.get(db, "password") is not None


def set_password(house: House, password: str, by: By) -> None:
    """Set or change it; every session ends, the caller's too. Raises Invalid."""
    wrong = passwords.problem(password)
    if wrong is not None:
        raise _of_field("/password", wrong)
    stored = {"hash": passwords.hashed(password), "set_at": house.clock.now()}
    with house.db.write() as db:
        before = settings.get(db, "password") is not None
        settings.put(db, "password", stored)
        ended = rows.drop_sessions(db)
        after = {"set": True, "sessions_ended": ended}
        audit.record(house, db, by, "password.set", f"account:{OWNER}", before={"set": before}, after=after)


def change_password(
    house: House, current: str, password: str, peer: str, by: By, *, agent: str | None = None
) -> NewSession | None:
    """`set_password` for somebody who is let in already: who knows the password of now, if there is one.

    A browser, known by its `agent`, gets a session in place of the one that ends. Raises Invalid, and TooManyLogins
    after wrong tries.
    """
    if has_password(house):
        wrong = passwords.problem(password)
        if wrong is not None:
            raise _of_field("/password", wrong)
        if _checked(house, current, peer) is None:
            raise _of_field("/current", "this is not the password of now")
    set_password(house, password, by)
    if agent is None:
        return None
    with house.db.write() as db:
        return _open_session(house, db, "password", peer, agent)


def login_password(house: House, password: str, peer: str, agent: str) -> NewSession:
    """A session for the password. Raises LoginRefused, and TooManyLogins after wrong tries, by account and by peer.

    `peer` is the address of the TCP connection, or of the hop before a trusted proxy.
    """
    checked = _checked(house, password, peer)
    if checked is None:
        raise LoginRefused("the password is wrong", hint=BY_LINK)
    with house.db.write() as db:
        stored = settings.get(db, "password")
        if stored["hash"] != checked[0]:  # changed while it was being checked: every session has ended
            raise LoginRefused("the password is wrong", hint=BY_LINK)
        if checked[1]:
            settings.put(db, "password", {**stored, "hash": checked[1]})
        return _open_session(house, db, "password", peer, agent)


def _checked(house: House, password: str, peer: str) -> tuple[str, str] | None:
    """The hash it was checked against and the one to store from now on ("": the same); None if it is wrong.

    Raises TooManyLogins.
    """
    tries, keys = tries_of(house.db), (f"account:{OWNER}", f"peer:{peer}")
    tries.take(keys, house.clock.monotonic())
    with house.db.read() as db:
        stored = settings.get(db, "password")
    found = passwords.verified(stored["hash"] if stored else None, password)
    if found is None:
        return None
    tries.forget(keys)
    return stored["hash"], found


def _of_field(pointer: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"in": "body", "pointer": pointer, "message": message}])


# --- sessions -------------------------------------------------------------------------------------------------------


def _open_session(house: House, db: Connection, how: str, peer: str, agent: str) -> NewSession:
    new, now = NewSession(secrets.token_urlsafe(32), secrets.token_urlsafe(32)), house.clock.now()
    rows.drop_old_sessions(db, now - ABSOLUTE_MS, now - IDLE_MS)
    rows.add_session(db, vault.digest(new.cookie), new.csrf, now, peer, agent[:200])
    audit.record(house, db, By(OWNER, "web"), "session.open", f"account:{OWNER}", after={"how": how, "peer": peer})
    return new


def session_of(house: House, cookie: str) -> Session | None:
    """The living session of a cookie; notes now and then that it is used."""
    hash, now = vault.digest(cookie), house.clock.now()
    with house.db.read() as db:
        row = rows.session(db, hash)
    if row is None or now - row["created_at"] >= ABSOLUTE_MS or now - row["seen_at"] >= IDLE_MS:
        return None
    if now - row["seen_at"] >= SEEN_MS:
        with suppress(StorageFull, Unavailable), house.db.write() as db:
            rows.session_seen(db, hash, now)
    return Session(hash, row["csrf"], row["created_at"])


def lives(house: House, kind: str, key: str) -> bool:
    """Whether a session (its id) or token (its number) that was let in is still good; for streams that stay open."""
    now = house.clock.now()
    with house.db.read() as db:
        if kind == "token":
            token = rows.token(db, int(key))
            return token is not None and token.revoked_at is None and (token.expires_at or now + 1) > now
        row = rows.session(db, key)
    return row is not None and now - row["created_at"] < ABSOLUTE_MS and now - row["seen_at"] < IDLE_MS


def csrf_matches(session_csrf: str, given: str) -> bool:
    return hmac.compare_digest(session_csrf.encode(), given.encode())


def logout(house: House, session_id: str, by: By) -> None:
    """End one session (`Session.id`); one that has ended already is fine."""
    with house.db.write() as db:
        if rows.drop_session(db, session_id):
            audit.record(house, db, by, "session.close", f"account:{OWNER}")


def logout_all(house: House, by: By, *, but: str = "") -> int:
    """End every session but one (`Session.id`); how many there were."""
    with house.db.write() as db:
        ended = rows.drop_sessions(db, but)
        audit.record(house, db, by, "session.close_all", f"account:{OWNER}", after={"sessions_ended": ended})
        return ended


def list_sessions(house: House) -> list[Living]:
    """Those that live, the one used last first; at most MOST_SESSIONS of them."""
    now = house.clock.now()
    with house.db.read() as db:
        found = rows.sessions(db, now - ABSOLUTE_MS, now - IDLE_MS, MOST_SESSIONS)
    return [_living(row) for row in found]


def _living(row: Row) -> Living:
    ends_at = min(row["created_at"] + ABSOLUTE_MS, row["seen_at"] + IDLE_MS)
    return Living(row["hash"][:SHORT], row["peer"], row["agent"], row["created_at"], row["seen_at"], ends_at)


def end_session(house: House, id: str, by: By) -> Living:
    """End the session with this `Living.id`. Raises NotFound."""
    with house.db.write() as db:
        row = rows.session_like(db, id) if len(id) == SHORT else None
        if row is None:
            raise NotFound("there is no such session; it may have ended already", hint="GET /api/sessions lists them.")
        rows.drop_session(db, row["hash"])
        after = {"peer": row["peer"], "agent": row["agent"]}
        audit.record(house, db, by, "session.close", f"account:{OWNER}", after=after)
        return _living(row)


# --- tokens ---------------------------------------------------------------------------------------------------------


def new_token(house: House, name: str, scopes: tuple[str, ...], by: By, *, expires_at: int | None = None) -> NewToken:
    """A token for the API; `expires_at` in milliseconds, None for never. Raises Invalid."""
    now = house.clock.now()
    errors = list(_token_problems(name, scopes, expires_at, now))
    if errors:
        raise Invalid("; ".join(error["message"] for error in errors), errors=errors)
    with house.db.write() as db:
        return _add_token(house, db, name.strip(), scopes, by, expires_at)


def _token_problems(name: str, scopes: tuple[str, ...], expires_at: int | None, now: int) -> list[dict[str, str]]:
    found = {}
    if not 1 <= len(name.strip()) <= 100:
        found["/name"] = "a token's name has 1 to 100 characters"
    elif name.strip() == MACHINE:
        found["/name"] = f"the name {MACHINE!r} is the instance's own"
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        found["/scopes"] = f"scopes are one or more of {', '.join(SCOPES)}"
    if expires_at is not None and expires_at <= now:
        found["/expires_at"] = "the token would have expired already"
    return [{"pointer": pointer, "message": message} for pointer, message in found.items()]


def _add_token(
    house: House, db: Connection, name: str, scopes: tuple[str, ...], by: By, expires_at: int | None
) -> NewToken:
    value, ordered = vault.new_token(), tuple(scope for scope in SCOPES if scope in scopes)
    token = rows.add_token(db, name, vault.digest(value), ordered, house.clock.now(), expires_at)
    after = {"name": name, "scopes": ordered, "expires_at": expires_at}
    audit.record(house, db, by, "token.create", f"token:{token.id}", after=after)
    return NewToken(token, value)


def machine_token(house: House) -> str:
    """A fresh token with all scopes for commands on this machine; the one of an earlier start ends."""
    with house.db.write() as db:
        rows.drop_tokens_named(db, MACHINE)
        return _add_token(house, db, MACHINE, SCOPES, SYSTEM, None).value


def token_of(house: House, value: str) -> Token | None:
    """The living token with this value; notes now and then that it is used."""
    now = house.clock.now()
    with house.db.read() as db:
        token = rows.live_token(db, vault.digest(value), now)
    if token is not None and now - (token.used_at or 0) >= SEEN_MS:
        with suppress(StorageFull, Unavailable), house.db.write() as db:
            rows.token_used(db, token.id, now)
    return token


def list_tokens(house: House, *, before: int | None = None, limit: int = 50) -> tuple[list[Token], int | None]:
    """At most `limit` tokens, newest first, and where the next page starts (None: that was all)."""
    with house.db.read() as db:
        found = rows.tokens(db, before, limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def revoke_token(house: House, token_id: int, by: By) -> Token:
    """End a token; one that is revoked already stays so. Raises NotFound."""
    with house.db.write() as db:
        if rows.token(db, token_id) is None:
            raise NotFound(f"there is no token {token_id}", hint="GET /api/tokens lists them.")
        if rows.revoke_token(db, token_id, house.clock.now()):
            audit.record(house, db, by, "token.revoke", f"token:{token_id}")
        token = rows.token(db, token_id)
    assert token is not None
    return token
