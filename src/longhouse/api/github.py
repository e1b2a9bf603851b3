"""GitHub for the jobs repo: sign in with a code, choose or make a repository, connect. No answer ever holds a token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from longhouse.api.replies import TheReplies
from longhouse.api.runs import when
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.house import House
from longhouse.repo import connecting, github_account, github_device, github_web
from longhouse.repo.github import Repository

router = routes(tags=["repo"])

SYNC = [Depends(needs("repo:sync"))]


class DeviceShown(BaseModel):
    user_code: str = Field(description="To be typed at `verification_uri`.")
    verification_uri: str
    expires_at: str
    waiting: str = Field(description="Why GitHub could not be asked the last time; it is asked again.")
    code: str = Field(description="Of the error that ended it; empty while it goes on.")
    sentence: str
    hint: str


class GitHubShown(BaseModel):
    url: str
    client_id: str = Field(description="Empty: one is needed to sign in with a code.")
    web_flow: bool = Field(description="A client secret is set: the Connect GitHub page can lead to GitHub and back.")
    signed_in: bool
    login: str = Field(description="Empty while GitHub has not said it.")
    token_ends_at: str | None = Field(description="It is renewed before; null: good until it is revoked.")
    lost: str = Field(description="Why the sign-in has to be made again; empty: it is good.")
    device: DeviceShown | None = Field(description="The sign-in that is under way, or has failed.")


class DeviceWanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(
        "", max_length=100, description="Of a GitHub App or OAuth App; else the one in the settings."
    )


class DeviceGone(BaseModel):
    cancelled: bool


class SignedOut(BaseModel):
    signed_in: bool = False


class RepositoryShown(BaseModel):
    full_name: str
    url: str
    default_branch: str
    private: bool


class RepositoryPage(BaseModel):
    items: list[RepositoryShown]
    next: int | None = Field(description="The number of the next page.")


class RepositoryChosen(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    full_name: str | None = Field(None, max_length=201, description="owner/name; null together with `new`.")
    new: str | None = Field(None, max_length=100, description="Make a private repository of this name instead.")
    branch: str = Field("", max_length=200, description="Empty: the repository's default branch.")
    auto_push: bool = True
    pull_minutes: int | None = None


class Connected(BaseModel):
    url: str
    branch: str
    can_push: bool
    empty: bool = Field(description="No branch there had a commit.")
    public: bool = Field(description="Everybody can read it.")


@router.get("/api/github", dependencies=[Depends(needs("jobs:read"))])
def get_github(house: TheHouse) -> GitHubShown:
    """Who is signed in at GitHub, and how somebody can be."""
    return _shown(house)


@router.post("/api/github/device", status_code=201, dependencies=SYNC)
def begin_device(body: DeviceWanted, house: TheHouse, caller: TheCaller) -> GitHubShown:
    """A code to type at GitHub. The server asks GitHub until somebody has; look here for the outcome."""
    github_device.begin(house, caller.by, body.client_id)
    return _shown(house)


@router.delete("/api/github/device", dependencies=SYNC)
def cancel_device(house: TheHouse) -> DeviceGone:
    """Forget the code."""
    return DeviceGone(cancelled=github_device.cancel(house))


@router.delete("/api/github", dependencies=SYNC)
def sign_out(house: TheHouse, caller: TheCaller) -> SignedOut:
    """Forget the sign-in. A remote that was connected with it has to be reconnected."""
    github_account.forget(house, caller.by)
    return SignedOut()


@router.get("/api/github/repositories", dependencies=SYNC)
def list_repositories(
    house: TheHouse,
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
    q: Annotated[str, Query(max_length=100, description="Part of the name.")] = "",
) -> RepositoryPage:
    """Those that the signed-in one can push to."""
    found, more = connecting.repositories(house, page, q)
    return RepositoryPage(items=[_repository(each) for each in found], next=page + 1 if more else None)


@router.post("/api/github/connect", status_code=201, response_model=Connected, dependencies=SYNC)
def connect(body: RepositoryChosen, house: TheHouse, caller: TheCaller, replies: TheReplies) -> Response:
    """Connect the jobs repo to a repository of the signed-in one. The first sync follows by itself."""

    def act() -> tuple[int, BaseModel]:
        by = caller.by
        chosen = (
            connecting.make(house, body.new, by) if body.new else connecting.choose(house, body.full_name or "", by)
        )
        saved = connecting.save(house, by, branch=body.branch, auto_push=body.auto_push, pull_minutes=body.pull_minutes)
        facts = {"can_push": chosen.can_push, "empty": chosen.empty, "public": chosen.public}
        return 201, Connected(url=saved.url, branch=saved.branch, **facts)

    return replies.once_slowly(act)


def _shown(house: House) -> GitHubShown:
    account, device = github_account.get(house), github_device.get(house)
    return GitHubShown(
        url=house.outward.github_url,
        client_id=github_device.client_id(house),
        web_flow=github_web.possible(house),
        signed_in=account is not None,
        login=account.login if account else "",
        token_ends_at=when(account.expires_at) if account else None,
        lost=account.lost if account else "",
        device=None
        if device is None
        else DeviceShown(
            user_code=device.user_code,
            verification_uri=device.verification_uri,
            expires_at=iso(device.expires_at),
            waiting=device.waiting,
            code=device.code,
            sentence=device.sentence,
            hint=device.hint,
        ),
    )


def _repository(found: Repository) -> RepositoryShown:
    return RepositoryShown(
        full_name=found.full_name, url=found.url, default_branch=found.default_branch, private=found.private
    )
