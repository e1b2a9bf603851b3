"""API tokens and login links."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longhouse import accounts
from longhouse.api.paging import LARGEST, Cursor, Limit, link_next, number
from longhouse.api.replies import TheReplies
from longhouse.api.runs import when
from longhouse.clock import iso, parse_iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.callers import may_give
from longhouse.doors.routes import routes
from longhouse.errors import Invalid
from longhouse.store.accounts import Token

router = routes(tags=["access"])

TokenId = Annotated[int, Path(ge=1, le=LARGEST, description="The token's number.")]


class TokenShown(BaseModel):
    id: int
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    used_at: str | None = Field(description="Exact to ten minutes.")
    revoked_at: str | None


class TokenMade(TokenShown):
    token: str | None = Field(description="The value itself, shown this once; null when the reply is a repetition.")


class TokenPage(BaseModel):
    items: list[TokenShown]
    next: str | None


class TokenWanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(min_length=1, max_length=20, description=", ".join(accounts.SCOPES))
    expires_at: str | None = Field(None, description="ISO 8601 with a zone; null for never.")


class LoginLink(BaseModel):
    url: str = Field(description="Works once, for 15 minutes.")


@router.get("/api/tokens", dependencies=[Depends(needs("admin"))])
def list_tokens(
    request: Request, response: Response, house: TheHouse, limit: Limit = 50, cursor: Cursor = None
) -> TokenPage:
    """All tokens, newest first, revoked and expired ones too."""
    found, following = accounts.list_tokens(house, before=number(cursor), limit=limit)
    following_text = None if following is None else str(following)
    return TokenPage(
        items=[TokenShown(**_values(token)) for token in found], next=link_next(request, response, following_text)
    )


@router.post("/api/tokens", status_code=201, response_model=TokenMade, dependencies=[Depends(needs("admin"))])
def new_token(body: TokenWanted, caller: TheCaller, replies: TheReplies) -> Response:
    """A new token with some of the caller's own scopes."""
    may_give(caller, body.scopes)
    expires_at = _expiry(body.expires_at)

    def made(house: TheHouse) -> TokenMade:
        new = accounts.new_token(house, body.name, tuple(body.scopes), caller.by, expires_at=expires_at)
        return TokenMade(**_values(new.token), token=new.value)

    return replies.once(201, made, kept=lambda document: document.model_copy(update={"token": None}))


@router.delete("/api/tokens/{token_id}", dependencies=[Depends(needs("admin"))])
def revoke_token(token_id: TokenId, house: TheHouse, caller: TheCaller) -> TokenShown:
    """End a token, for good."""
    return TokenShown(**_values(accounts.revoke_token(house, token_id, caller.by)))


@router.post("/api/login-links", status_code=201, dependencies=[Depends(needs("admin"))])
def new_login_link(request: Request, house: TheHouse, caller: TheCaller) -> LoginLink:
    """An address that logs one browser in, for the host name of this request."""
    return LoginLink(url=accounts.login_link(house, str(request.base_url), caller.by))


def _expiry(text: str | None) -> int | None:
    try:
        return None if text is None else parse_iso(text)
    except (ValueError, OverflowError) as error:
        message = "this is no ISO 8601 time with a zone, such as 2027-01-01T00:00:00Z"
        raise Invalid(message, errors=[{"in": "body", "pointer": "/expires_at", "message": message}]) from error


def _values(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_at": iso(token.created_at),
        "expires_at": when(token.expires_at),
        "used_at": when(token.used_at),
        "revoked_at": when(token.revoked_at),
    }
