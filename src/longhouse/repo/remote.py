"""The remote that the jobs repo is mirrored to. Address, settings and token are one sealed row: a dump shows none."""

from __future__ import annotations

import re
import secrets as random
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from longhouse import audit, secrets
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.masking import SHORTEST
from longhouse.repo import sync_state
from longhouse.repo.git import BRANCH
from longhouse.store import events, settings
from longhouse.store.database import Connection
from longhouse.vault import Secret

REALM = "remote"
ROW = "repo token"
"""The sealed value is the settings on one line and the token on the next: output is masked line by line."""
HOOK = "webhook secret"
USER = "x-access-token"
"""The user name that goes with a token; hosts that want another one have it in the address: https://user@host/…"""
LONGEST_PULL = 7 * 24 * 60
ADDRESS = re.compile(
    r"https://(?:(?P<user>[A-Za-z0-9._+-]{1,100})@)?(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:]{2,45}\])"
    r"(?::[0-9]{1,5})?(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_~%+@.,=-]+)+/?\Z"
)
TOKEN = re.compile(rf"[\x21-\x7e]{{{SHORTEST},4096}}\Z")


class NotConnected(Conflict):
    """There is no remote to sync with."""

    code = "sync.not_connected"


@dataclass(frozen=True)
class Remote:
    url: str
    """https, without a password."""
    branch: str
    """On the remote; ours is pushed there and nowhere else."""
    auto_push: bool
    """After every commit."""
    pull_minutes: int | None
    """None: only when somebody asks, or its webhook does."""
    kind: str
    """How it was connected: token, or what a GitHub flow says."""

    @property
    def user(self) -> str:
        return urlsplit(self.url).username or USER

    @property
    def host(self) -> str:
        """With its port, as the token is bound to it."""
        return host_of(self.url)


def get(house: House) -> Remote | None:
    """Raises Unreadable when the keyring is another one."""
    found = _opened(house)
    return None if found is None else found[0]


def token(house: House) -> Secret | None:
    found = _opened(house)
    return None if found is None else found[1]


def stored_for(house: House, url: str) -> Secret | None:
    """The token, if it was given for the host of `url`: it is sent nowhere else."""
    found = _opened(house)
    same = found is not None and host_of(url) == found[0].host
    return found[1] if found is not None and same else None


def host_of(url: str) -> str:
    """With its port; empty if `url` is no address of a remote."""
    return urlsplit(url).netloc.rpartition("@")[2].lower() if ADDRESS.match(url) else ""


def require(house: House) -> tuple[Remote, Secret]:
    """Raises NotConnected."""
    found = _opened(house)
    if found is None:
        raise NotConnected(
            "the jobs repo is not connected to a remote", hint="Connect it on the Jobs repo page, or: repo connect URL"
        )
    return found


def save(
    house: House,
    url: str,
    token: Secret,
    by: By,
    *,
    branch: str = "main",
    auto_push: bool = True,
    pull_minutes: int | None = None,
    kind: str = "token",
) -> Remote:
    """Connect, or change the connection; the next sync goes there. Raises Invalid."""
    remote = checked(url, token, branch, auto_push=auto_push, pull_minutes=pull_minutes, kind=kind)
    with house.db.write() as db:
        found = _opened_in(house, db)
        before = None if found is None else found[0]
        fingerprint = secrets.store_facts(house, db, REALM, ROW, asdict(remote), by, token)
        if before is None or (before.url, before.branch) != (remote.url, remote.branch):
            sync_state.begin(db)
        fact = {
            "auto_push": auto_push,
            "pull_minutes": pull_minutes,
            "kind": kind,
            "fingerprint": fingerprint,
        }
        audit.record(house, db, by, "repo.connect", "remote", after=fact)
        events.append(db, "repo.changed", "repo", {"connected": True}, house.clock.now())
    house.feed.sync.ring()
    return remote


def forget(house: House, by: By) -> None:
    """Disconnect: settings, token and webhook go; what was pushed stays where it is. Raises NotFound."""
    with house.db.write() as db:
        if not secrets.forget(db, REALM, ROW):
            raise NotFound("the jobs repo is not connected to a remote")
        secrets.forget(db, REALM, HOOK)
        sync_state.begin(db)
        audit.record(house, db, by, "repo.disconnect", "remote")
        events.append(db, "repo.changed", "repo", {"connected": False}, house.clock.now())
    house.feed.sync.ring()


def new_hook(house: House, by: By) -> Secret:
    """A new secret for the webhook, in place of the one before. Raises NotConnected."""
    require(house)
    made = Secret(random.token_urlsafe(32))
    with house.db.write() as db:
        secrets.store(house, db, REALM, HOOK, made.reveal(), by)
        audit.record(house, db, by, "repo.webhook", "remote")
    return made


def hook(house: House) -> Secret | None:
    with house.db.read() as db:
        text = secrets.opened(house, db, REALM, HOOK)
    return None if text is None else Secret(text)


def ask(house: House) -> None:
    """Sync soon, also when the server stops before it comes to it."""
    with house.db.write() as db:
        settings.put(db, "sync_asked", True)
    house.feed.sync.ring()


def checked(
    url: str,
    token: Secret,
    branch: str,
    *,
    auto_push: bool = True,
    pull_minutes: int | None = None,
    kind: str = "token",
) -> Remote:
    """Raises Invalid, with the field; what was given is not repeated, a token may have been pasted anywhere."""
    if not ADDRESS.match(url) or len(url) > 500 or (TOKEN.match(token.reveal()) and token.reveal() in url):
        raise _invalid(
            "url",
            "the address of a remote is https://host/path, without a password or token in it",
            hint="For example https://github.com/ada/jobs.git; the token has a field of its own.",
        )
    if not BRANCH.match(branch):
        raise _invalid("branch", "this is not a usable name of a branch")
    if not TOKEN.match(token.reveal()):
        raise _invalid("token", f"a token has {SHORTEST} characters at least, and no spaces or line breaks")
    if pull_minutes is not None and not 1 <= pull_minutes <= LONGEST_PULL:
        raise _invalid("pull_minutes", f"pull every 1 to {LONGEST_PULL} minutes, or never")
    return Remote(url, branch, auto_push, pull_minutes, kind)


def _invalid(field: str, message: str, hint: str = "") -> Invalid:
    return Invalid(message, hint=hint, errors=[{"in": "body", "pointer": f"/{field}", "message": message}])


def _opened(house: House) -> tuple[Remote, Secret] | None:
    with house.db.read() as db:
        return _opened_in(house, db)


def _opened_in(house: House, db: Connection) -> tuple[Remote, Secret] | None:
    found = secrets.opened_facts(house, db, REALM, ROW)
    if found is None:
        return None
    facts, (token,) = found
    return Remote(**facts), token
