"""The jobs repo and its remote: fast-forward both ways, and never a force-push, never a discarded commit.

The network is used without `repo_lock`, so a slow remote holds up no job and no edit. What comes in waits behind
INCOMING until it has been looked at; what fails is kept in the state and shown on every surface.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from longhouse import audit, describing, edits, loading, secrets
from longhouse.errors import Conflict, LonghouseError, ManifestBroken
from longhouse.house import By, House
from longhouse.repo import bootstrap, commits, divergence, github_account, incoming, leaks, remote, sync_state
from longhouse.repo.git import Git
from longhouse.repo.refusals import Redirected, SyncFailed, Unreachable, Untrusted
from longhouse.repo.remote import Remote
from longhouse.repo.sync_state import ACCEPT, MERGE, OURS, THEIRS, Held, State, Trouble
from longhouse.repo.transport import Line
from longhouse.store import events, settings
from longhouse.store import jobs as job_rows
from longhouse.vault import Secret

WAIT_SECONDS = 70.0
"""For another sync that is under way."""
CHOOSE = "Choose on the Jobs repo page, or: longhouse-jobs repo resolve merge, ours or theirs."
PROBE = "longhouse/can-push"
"""A branch that is asked about, and never made."""


class Busy(Conflict):
    """Another sync with the remote is under way."""

    code = "sync.busy"


class Waits(Conflict):
    """What came from the remote is not taken without a yes; `reason` says why."""

    code = "sync.waits"


class Moved(Conflict):
    """The remote is not where it was when the choice was made, or there is nothing to choose."""

    code = "sync.moved"


@dataclass(frozen=True)
class Verified:
    reachable: bool
    can_push: bool
    default_branch: str | None
    empty: bool
    """No branch there has a commit."""


@dataclass(frozen=True)
class Synced:
    pushed: int
    pulled: int
    state: State


# --- looking ----------------------------------------------------------------------------------------------------------


def verify(house: House, url: str, token: Secret, branch: str = "main") -> Verified:
    """Ask a remote without storing anything. Raises SyncFailed with what is wrong, Invalid."""
    git = bootstrap.opened(house.paths)
    line = Line(git, remote.checked(url, token, branch), token, house.network, house.feed.closing.is_set)
    refs = line.refs()
    head = git.head().commit
    can_push = False
    if head is not None:
        try:
            line.push(head, PROBE, dry=True)
            can_push = True
        except (Redirected, Unreachable, Untrusted):
            raise
        except SyncFailed:
            pass  # it may read and not write
    return Verified(True, can_push, refs.default_branch, empty=not refs.branches)


def state(house: House) -> State:
    """As it was found last."""
    if remote.get(house) is None:
        return State(state="none")
    with house.db.read() as db:
        return sync_state.read(db)


def conflicts(house: House) -> tuple[divergence.Conflict, ...]:
    """Of a merge of both sides as they are now, the files that need a person. Raises Moved when nothing diverges."""
    now = state(house)
    if now.state != "diverged" or now.incoming is None:
        raise Moved("the two histories have not gone apart")
    git = bootstrap.opened(house.paths)
    return divergence.merged(git, _ours(git), now.incoming).conflicts


# --- syncing ----------------------------------------------------------------------------------------------------------


def sync(house: House, by: By) -> Synced:
    """One try, in about a minute at most. Raises what went wrong, after noting it for every surface.

    Diverged histories and what waits for a yes are no failure: the state says so.
    """
    where, token = remote.require(house)
    if not house.sync_lock.acquire(timeout=WAIT_SECONDS):
        raise Busy("another sync is under way", hint="Look at its outcome in a moment.")
    try:
        with house.db.write() as db:
            settings.put(db, "sync_asked", False)
        line = _line(house, where, token)
        return _said(house, by, *_synced(house, line, by))
    except LonghouseError as error:
        if not house.feed.closing.is_set():
            _failed(house, error)
        raise
    finally:
        house.sync_lock.release()


def _line(house: House, where: Remote, token: Secret) -> Line:
    """With a token that is good now. Raises what renewing it says."""
    good = github_account.token_for(house, where, token)
    return Line(bootstrap.opened(house.paths), where, good, house.network, house.feed.closing.is_set)


def _synced(house: House, line: Line, by: By) -> tuple[int, int, State]:
    """Commits pushed, commits pulled, and how things stand now."""
    git = line.git
    loading.settle(house)  # what somebody is editing is a commit before anything comes
    theirs, ours, before = line.fetch(), _ours(git), state(house)
    now = replace(before, last_sync_at=house.clock.now(), last_error=None, ours=ours, incoming=theirs, held=None)
    if theirs is None:
        return _push(house, line, ours, None, now), 0, _even(now, ours)
    ahead, behind = incoming.counted(git, ours, theirs)
    now = replace(now, ahead=ahead, behind=behind, unrelated=bool(behind) and incoming.base(git, ours, theirs) is None)
    if not behind:
        return (_push(house, line, ours, theirs, now) if ahead else 0), 0, _even(now, ours)
    if held := _unsafe(house, git, ours, theirs):
        return 0, 0, replace(now, state="held", held=held)
    if ahead:
        return 0, 0, replace(now, state="diverged")
    if held := _waits(house, git, theirs, trusted=before.trusted):
        return 0, 0, replace(now, state="held", held=held)
    _take(house, git, ours, theirs, by)
    return 0, behind, _even(now, theirs)


def _even(now: State, commit: str) -> State:
    return replace(
        now, state="synced", ahead=0, behind=0, ours=commit, incoming=commit, held=None, unrelated=False, trusted=True
    )


def _push(house: House, line: Line, ours: str, theirs: str | None, now: State, branch: str | None = None) -> int:
    """How many commits went. Raises SyncFailed, and SecretInFile before anything is sent."""
    leaks.require_none(incoming.secrets_out(line.git, ours, theirs, secrets.masker(house).finds))
    line.push(ours, branch or line.remote.branch)
    return now.ahead if theirs else int(line.git.read("rev-list", "--count", ours).out)


def _unsafe(house: House, git: Git, ours: str, theirs: str) -> Held | None:
    """What is taken in no case."""
    new, known = incoming.entries(git, theirs), incoming.entries(git, ours)
    found = incoming.problems(new, known) or incoming.secrets_in(git, new, known, secrets.masker(house).finds)
    if not found:
        return None
    hint = "Mend it on the remote with a new commit; nothing of it is taken before."
    return Held("unsafe", f"the remote holds what is not taken: {incoming.said(found)}", hint)


def _waits(house: House, git: Git, commit: str, *, trusted: bool) -> Held | None:
    """Why `commit` is not taken without a yes. Its manifest is only read when its remote is trusted."""
    if not trusted:
        sentence = "the remote holds commits that did not come from here, and this is the first sync with it"
        return Held("first", sentence, "Look at what it holds, then say yes: its code will run here.")
    try:
        definitions, _ = describing.describe(house, git, commit)
    except ManifestBroken as error:
        sentence = f"the manifest of the remote cannot be loaded: {error.place}: {error.message}"
        return Held(
            "broken", sentence, "Mend it on the remote; or take it all the same: what runs now goes on running."
        )
    with house.db.read() as db:
        gone = edits.mass_removal([job.id for job in job_rows.all_jobs(db)], [job.id for job in definitions])
    if gone:
        sentence = f"it would take away {len(gone)} jobs: {incoming.said(sorted(gone))}"
        return Held("removal", sentence, "Say yes if that is meant.")
    return None


def _take(house: House, git: Git, ours: str, commit: str, by: By) -> None:
    """Our branch moves on to `commit`, which has `ours` behind it, and the files with it."""
    with house.repo_lock:
        commits.require_free(git)
        divergence.advance(git, ours, commit)
        with house.db.write() as db:
            audit.record(house, db, by, "repo.pull", f"commit:{commit}", before={"commit": ours})
    house.feed.settled()


def _ours(git: Git) -> str:
    found = git.ref(f"refs/heads/{commits.branch(git)}")
    if found is None:
        raise Moved("the jobs repo has no commit yet")
    return found


# --- deciding ---------------------------------------------------------------------------------------------------------


def resolve(
    house: House,
    by: By,
    choice: str,
    *,
    seen: str | None = None,
    files: dict[str, str | None] | None = None,
    anyway: bool = False,
) -> Synced:
    """Do one of `state(house).choices`; both histories stay reachable whichever it is.

    `seen`: the remote's commit that the choice was made for. `files`: for a merge, the whole text of each file that
    conflicts, None to leave it out. `anyway`: also when many jobs go by it or its manifest cannot be loaded.
    Raises Moved, Waits, and what `sync` raises.
    """
    where, token = remote.require(house)
    if not house.sync_lock.acquire(timeout=WAIT_SECONDS):
        raise Busy("a sync is under way", hint="Choose again when it has ended.")
    try:
        now = state(house)
        if choice not in now.choices or now.incoming is None or (seen is not None and seen != now.incoming):
            possible = ", ".join(now.choices) or "nothing"
            raise Moved(f"{choice!r} is not to be chosen now, but: {possible}", hint="Look at the jobs repo again.")
        line = _line(house, where, token)
        loading.settle(house)
        return _said(house, by, *_resolved(house, line, now, by, choice, files or {}, anyway=anyway))
    except SyncFailed as error:
        _failed(house, error)
        raise
    finally:
        house.sync_lock.release()


def _resolved(
    house: House, line: Line, now: State, by: By, choice: str, files: dict[str, str | None], *, anyway: bool
) -> tuple[int, int, State]:
    git, theirs = line.git, now.incoming
    assert theirs is not None
    ours = _ours(git)
    ahead, behind = incoming.counted(git, ours, theirs)
    now = replace(now, ahead=ahead, behind=behind, last_sync_at=house.clock.now(), last_error=None)
    if choice == OURS:
        branch = divergence.branch_for(house.clock.now(), line.refs().branches)
        pushed = _push(house, line, ours, theirs, now, branch)
        remote.save(
            house,
            line.remote.url,
            line.token,
            by,
            branch=branch,
            auto_push=line.remote.auto_push,
            pull_minutes=line.remote.pull_minutes,
            kind=line.remote.kind,
        )
        return pushed, 0, _even(now, ours)
    if choice == ACCEPT:
        commit = theirs
    elif choice == THEIRS:
        commit = divergence.take_theirs(git, ours, theirs)
    else:
        assert choice == MERGE
        commit = divergence.merge(git, ours, theirs, files)
    if ahead and choice == ACCEPT:
        raise Moved("there are commits here that the remote does not have", hint="Sync again: then you can choose.")
    agreed = now.held.reason if now.held else ""
    held = _waits(house, git, commit, trusted=True)
    if held is not None and not anyway and held.reason != agreed:
        if choice == ACCEPT:
            return 0, 0, replace(now, state="held", held=held, trusted=True)
        raise Waits(held.sentence, hint=held.hint, reason=held.reason)
    _take(house, git, ours, commit, by)
    taken = replace(now, state="synced", behind=0, ours=commit, held=None, unrelated=False, trusted=True)
    with house.db.write() as db:
        sync_state.write(db, replace(taken, ahead=incoming.counted(git, commit, theirs)[0]))
    if choice == ACCEPT:
        return 0, behind, _even(taken, commit)
    taken = replace(taken, ahead=incoming.counted(git, commit, theirs)[0])
    return _push(house, line, commit, theirs, taken), behind, _even(taken, commit)


# --- saying -----------------------------------------------------------------------------------------------------------


def _said(house: House, by: By, pushed: int, pulled: int, now: State) -> Synced:
    with house.db.write() as db:
        sync_state.write(db, now)
        fact = {"pushed": pushed, "pulled": pulled, "state": now.state}
        if pushed or pulled:
            audit.record(house, db, by, "repo.sync", f"commit:{now.ours}", after=fact)
        events.append(db, "repo.synced", "repo", fact, house.clock.now())
    return Synced(pushed, pulled, now)


def _failed(house: House, error: LonghouseError) -> None:
    at = house.clock.now()
    wait = error.facts.get("retry_after_seconds")
    trouble = Trouble(error.code, error.message, error.hint, at, None if wait is None else at + int(wait) * 1000)
    with house.db.write() as db:
        before = sync_state.read(db)
        sync_state.write(db, replace(before, state="failing", last_error=trouble))
        fact = {"code": trouble.code, "sentence": trouble.sentence, "hint": trouble.hint}
        events.append(db, "repo.sync_failed", "repo", fact, at)
