"""Browser sessions and the owner's password."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from longhouse import accounts, passwords
from longhouse.accounts import Living
from longhouse.clock import iso
from longhouse.doors import Caller, TheCaller, TheHouse, needs, peer_of
from longhouse.doors.routes import routes

router = routes(tags=["access"])

ADMIN = [Depends(needs("admin"))]
SessionId = Annotated[str, Path(max_length=64, description="The session's id, as the list has it.")]


class SessionShown(BaseModel):
    id: str
    peer: str = Field(description="The address it was opened from.")
    agent: str = Field(description="What the browser called itself.")
    created_at: str
    seen_at: str = Field(description="Exact to ten minutes.")
    ends_at: str = Field(description="If nobody uses it until then: after 12 idle hours, or 7 days after the login.")
    current: bool = Field(description="The one that asks.")


class SessionList(BaseModel):
    items: list[SessionShown] = Field(description=f"At most {accounts.MOST_SESSIONS}, the one used last first.")


class SessionsEnded(BaseModel):
    ended: int


class PasswordWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    password: str = Field(
        description=f"{passwords.LEAST} to {passwords.MOST} characters, and none that is tried first."
    )
    current: str = Field("", description="The password of now, if there is one.")


class PasswordSet(BaseModel):
    set: bool = True


@router.get("/api/sessions", dependencies=ADMIN)
def list_sessions(house: TheHouse, caller: TheCaller) -> SessionList:
    """Every browser that is signed in."""
    return SessionList(items=[SessionShown(**_values(each, caller)) for each in accounts.list_sessions(house)])


@router.delete("/api/sessions/{session_id}", dependencies=ADMIN)
def end_session(session_id: SessionId, house: TheHouse, caller: TheCaller) -> SessionShown:
    """Sign one browser out; its open streams end within five seconds."""
    return SessionShown(**_values(accounts.end_session(house, session_id, caller.by), caller))


@router.delete("/api/sessions", dependencies=ADMIN)
def end_sessions(house: TheHouse, caller: TheCaller) -> SessionsEnded:
    """Sign every browser out but the one that asks."""
    own = caller.key if caller.kind == "session" else ""
    return SessionsEnded(ended=accounts.logout_all(house, caller.by, but=own))


@router.put("/api/password", dependencies=ADMIN)
def set_password(body: PasswordWanted, request: Request, house: TheHouse, caller: TheCaller) -> PasswordSet:
    """Set or change the password. Every session ends, the caller's too."""
    accounts.change_password(house, body.current, body.password, peer_of(request.scope), caller.by)
    return PasswordSet()


def _values(session: Living, caller: Caller) -> dict[str, Any]:
    return {
        "id": session.id,
        "peer": session.peer,
        "agent": session.agent,
        "created_at": iso(session.created_at),
        "seen_at": iso(session.seen_at),
        "ends_at": iso(session.ends_at),
        "current": caller.kind == "session" and caller.key.startswith(session.id),
    }
