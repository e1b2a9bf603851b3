"""The remote of the jobs repo: connect, verify, sync, decide. No answer ever holds its token."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any, Literal

from fastapi import Depends, Header
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse.api.replies import TheReplies
from longhouse.api.runs import when
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.errors import Forbidden, Invalid
from longhouse.house import House
from longhouse.repo import remote, sync
from longhouse.repo.sync_state import State, Trouble
from longhouse.vault import Secret

router = routes(tags=["repo"])

SYNC = [Depends(needs("repo:sync"))]
ADMIN = [Depends(needs("admin"))]


class SignatureWrong(Forbidden):
    """A webhook's signature is not that of its bytes with the webhook's secret."""

    code = "hook.refused"


class TroubleShown(BaseModel):
    code: str
    sentence: str
    hint: str
    at: str
    retry_at: str | None = Field(description="The remote asked not to be asked again before.")


class HeldShown(BaseModel):
    reason: str = Field(description="first, removal, broken: wait for a yes (`accept`); unsafe: is never taken.")
    sentence: str
    hint: str


class SyncShown(BaseModel):
    state: str = Field(description="none (no remote), never, synced, failing, diverged or held.")
    last_sync_at: str | None = Field(description="When both sides were seen last.")
    last_error: TroubleShown | None
    ahead: int = Field(description="Commits that the remote does not have.")
    behind: int = Field(description="Commits of the remote that are not here.")
    incoming: str | None = Field(description="The remote's commit.")
    unrelated: bool = Field(description="The two histories have no commit in common.")
    held: HeldShown | None = Field(description="What came from the remote and waits.")
    choices: list[str] = Field(description="What `resolve` takes now.")


class RemoteShown(BaseModel):
    url: str
    branch: str
    auto_push: bool
    pull_minutes: int | None
    kind: str
    sync: SyncShown


class RemoteWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    url: str = Field(max_length=500, description="https://host/path, without a password.")
    token: str | None = Field(None, max_length=4096, description="Left out: the one that is stored, for the same host.")
    branch: str = Field("main", max_length=200)
    auto_push: bool = Field(True, description="Push after every commit.")
    pull_minutes: int | None = Field(None, description="Also pull every so many minutes.")


class RemoteGone(BaseModel):
    connected: bool = False


class VerifyWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(max_length=500)
    token: str | None = Field(None, max_length=4096, description="Left out: the one that is stored, for the same host.")
    branch: str = Field("main", max_length=200)


class VerifiedShown(BaseModel):
    reachable: bool
    can_push: bool
    default_branch: str | None
    empty: bool


class SyncedShown(BaseModel):
    pushed: int = Field(description="Commits.")
    pulled: int
    sync: SyncShown


class FileText(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str
    text: str | None = Field(description="The whole file; null leaves it out.")


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    choice: Literal["merge", "ours", "theirs", "accept"]
    incoming: str | None = Field(None, description="The remote's commit that was looked at; another one answers 409.")
    files: list[FileText] = Field(default_factory=list, max_length=1000, description="For a merge with conflicts.")
    anyway: bool = Field(False, strict=True, description="Also if many jobs go by it, or the manifest is broken.")


class ConflictShown(BaseModel):
    path: str
    base: str | None
    ours: str | None
    theirs: str | None
    merged: str = Field(description="With both sides between markers where they differ.")


class ConflictList(BaseModel):
    items: list[ConflictShown]


class HookMade(BaseModel):
    path: str = Field(description="Below the instance's address.")
    secret: str = Field(description="Shown this once; sign with it: X-Hub-Signature-256.")


class Queued(BaseModel):
    queued: bool = True


@router.get("/api/jobs/repo/remote", dependencies=[Depends(needs("jobs:read"))])
def get_remote(house: TheHouse) -> RemoteShown:
    """Where the jobs repo is mirrored to; 409 when it is not connected."""
    return _remote(house)


@router.put("/api/jobs/repo/remote", dependencies=SYNC)
def connect(body: RemoteWanted, house: TheHouse, caller: TheCaller) -> RemoteShown:
    """Connect, or change the connection. The first sync follows by itself."""
    token = _token(house, body.url, body.token)
    before = remote.get(house)
    kind = before.kind if before is not None and body.token is None else "token"  # a renewed token stays one
    remote.save(
        house,
        body.url,
        token,
        caller.by,
        branch=body.branch,
        auto_push=body.auto_push,
        pull_minutes=body.pull_minutes,
        kind=kind,
    )
    return _remote(house)


@router.delete("/api/jobs/repo/remote", dependencies=SYNC)
def disconnect(house: TheHouse, caller: TheCaller) -> RemoteGone:
    """Forget the remote and its token. What was pushed stays where it is."""
    remote.forget(house, caller.by)
    return RemoteGone()


@router.post("/api/jobs/repo/verify", dependencies=SYNC)
def verify(body: VerifyWanted, house: TheHouse) -> VerifiedShown:
    """Ask a remote what a token may do there. Stores nothing."""
    found = sync.verify(house, body.url, _token(house, body.url, body.token), body.branch)
    return VerifiedShown(**vars(found))


@router.post("/api/jobs/repo/sync", response_model=SyncedShown, dependencies=SYNC)
def sync_now(house: TheHouse, caller: TheCaller, replies: TheReplies) -> Response:
    """Pull and push, and wait for it: a minute at most."""
    return replies.once_slowly(lambda: (200, _synced(sync.sync(house, caller.by))))


@router.get("/api/jobs/repo/conflicts", dependencies=[Depends(needs("jobs:read"))])
def list_conflicts(house: TheHouse) -> ConflictList:
    """Of two histories that have gone apart, the files that were changed on both sides; 409 when they have not."""
    return ConflictList(items=[ConflictShown(**vars(each)) for each in sync.conflicts(house)])


@router.post("/api/jobs/repo/resolve", response_model=SyncedShown, dependencies=SYNC)
def resolve(body: Choice, house: TheHouse, caller: TheCaller, replies: TheReplies) -> Response:
    """Bring two histories together, or say yes to what waits. Whatever is chosen, no commit is lost."""
    files = {each.path: each.text for each in body.files}

    def act() -> tuple[int, BaseModel]:
        done = sync.resolve(house, caller.by, body.choice, seen=body.incoming, files=files, anyway=body.anyway)
        return 200, _synced(done)

    return replies.once_slowly(act)


@router.post("/api/jobs/repo/webhook", status_code=201, dependencies=ADMIN)
def new_webhook(house: TheHouse, caller: TheCaller) -> HookMade:
    """A secret for the remote's webhook, in place of the one before."""
    return HookMade(path="/api/hooks/repo", secret=remote.new_hook(house, caller.by).reveal())


@router.post("/api/hooks/repo", status_code=202)
def hook(
    request: Request,
    house: TheHouse,
    signature: Annotated[str | None, Header(alias="X-Hub-Signature-256", max_length=200)] = None,
) -> Queued:
    """The remote says that something was pushed: a sync follows. Open to whoever signs with the webhook's secret."""
    secret, body = remote.hook(house), request.state.body
    made = "" if secret is None else hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()
    if not made or not hmac.compare_digest(f"sha256={made}".encode(), (signature or "").encode()):
        raise SignatureWrong("the signature does not fit", hint="Give the webhook the secret of this instance.")
    remote.ask(house)
    return Queued()


def sync_shown(state: State) -> SyncShown:
    error, held = state.last_error, state.held
    return SyncShown(
        state=state.state,
        last_sync_at=when(state.last_sync_at),
        last_error=None if error is None else _trouble(error),
        ahead=state.ahead,
        behind=state.behind,
        incoming=state.incoming,
        unrelated=state.unrelated,
        held=None if held is None else HeldShown(**vars(held)),
        choices=list(state.choices),
    )


def _trouble(error: Trouble) -> TroubleShown:
    return TroubleShown(**{**vars(error), "at": iso(error.at), "retry_at": when(error.retry_at)})


def _remote(house: House) -> RemoteShown:
    found, _ = remote.require(house)
    values: dict[str, Any] = {**vars(found), "sync": sync_shown(sync.state(house))}
    return RemoteShown(**values)


def _synced(done: sync.Synced) -> SyncedShown:
    return SyncedShown(pushed=done.pushed, pulled=done.pulled, sync=sync_shown(done.state))


def _token(house: House, url: str, given: str | None) -> Secret:
    """The stored one only goes to the host that it was given for."""
    if given is not None:
        return Secret(given)
    stored = remote.stored_for(house, url)
    if stored is None:
        message = "a token is needed: none is stored for this host"
        raise Invalid(message, errors=[{"in": "body", "pointer": "/token", "message": message}])
    return stored
