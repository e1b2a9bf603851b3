"""Who is signed in at GitHub, and a token that is good now: those of a GitHub App last for eight hours.

One sealed row: the facts on its first line, the token on the second, what renews it on the third; output is masked line
by line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from longhouse import audit, secrets
from longhouse.errors import LonghouseError
from longhouse.house import SYSTEM, By, House
from longhouse.repo.github import GitHub, Grant
from longhouse.repo.github_refusals import Down, RateLimited, SignInRefused, Unreachable, reconnect
from longhouse.repo.remote import Remote
from longhouse.store import events
from longhouse.store.database import Connection
from longhouse.vault import Secret

REALM = "github"
ROW = "account"
KIND = "github"
"""Of a remote whose token is the signed-in one's."""
EARLY_MS = 10 * 60_000
"""A token is renewed so long before its end: a push that begins with it should end with it."""


@dataclass(frozen=True)
class Account:
    login: str
    """Empty while GitHub has not said it."""
    flow: str
    """device or web."""
    client_id: str
    expires_at: int | None
    """Of the token; None: it is good until it is revoked."""
    refresh_expires_at: int | None
    lost: str = ""
    """Why it cannot be renewed any more; empty: it is good as far as we know."""


def get(house: House) -> Account | None:
    found = _opened(house)
    return None if found is None else found[0]


def keep(house: House, db: Connection, grant: Grant, *, flow: str, client_id: str, by: By) -> None:
    """A sign-in has ended well; in the caller's transaction."""
    _store(house, db, _account(house, grant, Account("", flow, client_id, None, None)), grant.token, grant.refresh, by)
    audit.record(house, db, by, "github.sign_in", "github", after={"flow": flow})
    events.append(db, "repo.changed", "repo", {"github": "signed in"}, house.clock.now())


def name(house: House) -> None:
    """Ask GitHub who has signed in. Nothing depends on it: without an answer the name stays empty."""
    found = _opened(house)
    if found is None:
        return
    account, token, refresh = found
    try:
        login = GitHub(house.outward, token).user().login
    except LonghouseError:
        return
    with house.db.write() as db:
        _store(house, db, replace(account, login=login), token, refresh, SYSTEM)
        events.append(db, "repo.changed", "repo", {"github": "named"}, house.clock.now())


def forget(house: House, by: By) -> bool:
    """False if nobody was signed in. The token itself stays good until it is revoked at GitHub."""
    with house.db.write() as db:
        if not secrets.forget(db, REALM, ROW):
            return False
        audit.record(house, db, by, "github.sign_out", "github")
        events.append(db, "repo.changed", "repo", {"github": "signed out"}, house.clock.now())
    return True


def token_for(house: House, remote: Remote, stored: Secret) -> Secret:
    """What `remote` is reached with now. Raises Reconnect."""
    return fresh(house) if remote.kind == KIND else stored


def fresh(house: House) -> Secret:
    """The signed-in one's token, renewed if it ends soon. Raises Reconnect, and what the network says."""
    with house.github_lock:
        found = _opened(house)
        if found is None:
            raise reconnect("nobody is signed in")
        account, token, refresh = found
        if account.lost:
            raise reconnect(account.lost)
        now = house.clock.now()
        if account.expires_at is None or now < account.expires_at - EARLY_MS:
            return token
        if refresh is None:
            raise reconnect("its token has ended, and there is none to renew it with")
        try:
            grant = GitHub(house.outward).renewed(account.client_id, refresh, with_secret=account.flow == "web")
        except SignInRefused as error:
            if error.facts.get("error") != "bad_refresh_token":
                raise
            with house.db.write() as db:
                _store(house, db, replace(account, lost=error.message), token, refresh, SYSTEM)
                events.append(db, "repo.changed", "repo", {"github": "lost"}, now)
            raise reconnect(error.message) from error
        except (Down, Unreachable, RateLimited):
            if now < account.expires_at:
                return token
            raise
        with house.db.write() as db:
            _store(house, db, _account(house, grant, account), grant.token, grant.refresh or refresh, SYSTEM)
            audit.record(house, db, SYSTEM, "github.renew", "github")
        return grant.token


def _account(house: House, grant: Grant, before: Account) -> Account:
    def end(seconds: int | None) -> int | None:
        return None if seconds is None else house.clock.now() + seconds * 1000

    refresh = end(grant.refresh_seconds) or before.refresh_expires_at
    return replace(before, expires_at=end(grant.seconds), refresh_expires_at=refresh)


def _store(house: House, db: Connection, account: Account, token: Secret, refresh: Secret | None, by: By) -> None:
    secrets.store_facts(house, db, REALM, ROW, asdict(account), by, token, refresh or Secret(""))


def _opened(house: House) -> tuple[Account, Secret, Secret | None] | None:
    with house.db.read() as db:
        found = secrets.opened_facts(house, db, REALM, ROW)
    if found is None:
        return None
    facts, (token, refresh) = found
    return Account(**facts), token, refresh if refresh.reveal() else None
