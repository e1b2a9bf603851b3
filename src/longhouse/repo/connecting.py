"""Connect the jobs repo: look at a repository before anything is stored for good, choose one, save, change, disconnect.

What has been looked at waits as a sealed row, so that no page has to carry a token.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from longhouse import secrets
from longhouse.errors import Gone, Invalid
from longhouse.house import By, House
from longhouse.repo import github_account, remote, sync
from longhouse.repo.github import GitHub, Repository
from longhouse.repo.remote import Remote
from longhouse.vault import Secret

REALM = github_account.REALM
ROW = "candidate"
LIFE_MS = 60 * 60_000
NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}\Z")
NEW = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
MOST_PAGES = 10
"""Looked through for a filter."""


@dataclass(frozen=True)
class Candidate:
    """A repository that was verified and is not connected yet."""

    url: str
    kind: str
    """token, or github for the one who is signed in."""
    branch: str
    """The one to suggest: the repository's default."""
    can_push: bool
    empty: bool
    """No branch there has a commit."""
    at: int
    full_name: str = ""
    """Empty on other hosts than GitHub; so are the three below."""
    login: str = ""
    public: bool = False
    token_ends: str = ""

    @property
    def label(self) -> str:
        return self.full_name or self.url.removeprefix("https://")


class NothingVerified(Gone):
    """Save comes after Verify, within an hour."""

    code = "connect.nothing_verified"


def candidate(house: House) -> Candidate | None:
    found = _opened(house)
    return None if found is None else found[0]


def verify(house: House, where: str, token: Secret, by: By) -> Candidate:
    """`where` is owner/name at GitHub or an https address. Raises Invalid, what GitHub says, what git says."""
    url, full_name = _place(house, where.strip())
    if full_name:
        return _of_github(house, full_name, token, "token", by)
    remote.checked(url, token, "main")
    found = sync.verify(house, url, token)
    looked_at = Candidate(url, "token", found.default_branch or "main", found.can_push, found.empty, house.clock.now())
    return _kept(house, looked_at, token, by)


def choose(house: House, full_name: str, by: By) -> Candidate:
    """One of the repositories of whoever is signed in. Raises Reconnect, Invalid, what GitHub and git say."""
    if not NAME.match(full_name):
        raise _invalid("repository", "a repository is named owner/name")
    return _of_github(house, full_name, github_account.fresh(house), github_account.KIND, by)


def make(house: House, name: str, by: By) -> Candidate:
    """A new private repository of whoever is signed in."""
    if not NEW.match(name) or name in (".", ".."):
        raise _invalid("name", "a repository's name has letters, digits, dots, dashes and underscores, 100 at most")
    made = GitHub(house.outward, github_account.fresh(house)).create(name)
    return choose(house, made.full_name, by)


def repositories(house: House, page: int = 1, query: str = "") -> tuple[list[Repository], bool]:
    """One page of those that the signed-in one can push to, and whether there is another; or all that match `query`."""
    github = GitHub(house.outward, github_account.fresh(house))
    if not query:
        return github.repositories(page)
    found: list[Repository] = []
    for number in range(1, MOST_PAGES + 1):
        part, more = github.repositories(number)
        found += [each for each in part if query.lower() in each.full_name.lower()]
        if not more:
            break
    return found, False


def save(house: House, by: By, *, branch: str, auto_push: bool, pull_minutes: int | None) -> Remote:
    """Connect to what was verified last. Raises NothingVerified, Invalid."""
    found = _opened(house)
    if found is None:
        raise NothingVerified("no repository has been verified within the last hour", hint="Verify it first.")
    chosen, token = found
    saved = remote.save(
        house,
        chosen.url,
        token,
        by,
        branch=branch or chosen.branch,
        auto_push=auto_push,
        pull_minutes=pull_minutes,
        kind=chosen.kind,
    )
    drop(house)
    return saved


def change(house: House, by: By, *, branch: str, auto_push: bool, pull_minutes: int | None) -> Remote:
    """The connection's settings; its address and token stay. Raises NotConnected, Invalid."""
    now, token = remote.require(house)
    wanted = replace(now, branch=branch or now.branch, auto_push=auto_push, pull_minutes=pull_minutes)
    if wanted == now:
        return now
    return remote.save(house, token=token, by=by, **asdict(wanted))


def drop(house: House) -> None:
    """Forget what was verified."""
    with house.db.write() as db:
        secrets.forget(db, REALM, ROW)


def disconnect(house: House, by: By) -> None:
    """Forget the remote and who is signed in. Raises NotFound."""
    remote.forget(house, by)
    github_account.forget(house, by)
    drop(house)


def _of_github(house: House, full_name: str, token: Secret, kind: str, by: By) -> Candidate:
    github = GitHub(house.outward, token)
    person, found = github.user(), github.repository(full_name)
    looked_at = sync.verify(house, found.url, token)
    chosen = Candidate(
        url=found.url,
        kind=kind,
        branch="main" if looked_at.empty else found.default_branch,
        can_push=looked_at.can_push,
        empty=looked_at.empty,
        at=house.clock.now(),
        full_name=found.full_name,
        login=person.login,
        public=not found.private,
        token_ends=person.token_ends or "",
    )
    return _kept(house, chosen, token, by)


def _place(house: House, where: str) -> tuple[str, str]:
    """Address, and owner/name when it is on our GitHub. Raises Invalid."""
    if NAME.match(where):
        return "", where.removesuffix(".git")
    parts = urlsplit(where)
    if parts.scheme == "https" and parts.hostname == house.outward.github_host and not parts.username:
        full_name = parts.path.strip("/").removesuffix(".git")
        if NAME.match(full_name):
            return "", full_name
    if parts.scheme != "https":
        raise _invalid("url", "a repository is owner/name at GitHub, or an https address")
    return where, ""


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"in": "body", "pointer": f"/{field}", "message": message}])


def _kept(house: House, chosen: Candidate, token: Secret, by: By) -> Candidate:
    with house.db.write() as db:
        secrets.store_facts(house, db, REALM, ROW, asdict(chosen), by, token)
    return chosen


def _opened(house: House) -> tuple[Candidate, Secret] | None:
    with house.db.read() as db:
        found = secrets.opened_facts(house, db, REALM, ROW)
    if found is None:
        return None
    facts, (token,) = found
    chosen = Candidate(**facts)
    return None if house.clock.now() - chosen.at > LIFE_MS else (chosen, token)
