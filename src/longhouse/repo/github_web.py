"""Signing in at GitHub and coming back to our own address: bound to the session that began it, used once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from urllib.parse import urlencode

from longhouse import secrets, vault
from longhouse.errors import Forbidden, Invalid
from longhouse.house import By, House
from longhouse.repo import github_account, github_device
from longhouse.repo import github_refusals as refusals
from longhouse.repo.github import SCOPE, GitHub
from longhouse.vault import Secret

REALM = github_account.REALM
ROW = "web"
LIFE_MS = 10 * 60_000
CALLBACK = "/connect/github/callback"
ANEW = "Start again: Jobs repo → Connect GitHub."


class StateRefused(Forbidden):
    """What came back from GitHub belongs to no sign-in that this session has begun."""

    code = "github.state_refused"


def possible(house: House) -> bool:
    return house.outward.client_secret is not None and bool(github_device.client_id(house))


def begin(house: House, session: str, base_url: str, by: By) -> str:
    """The address at GitHub; `session` is the one that may come back. Raises Invalid."""
    if not possible(house):
        raise Invalid(
            "this needs a client id, and `github_client_secret` in the settings",
            hint="Sign in with a code or a token instead: neither needs a secret.",
        )
    state, verifier = random.token_urlsafe(32), random.token_urlsafe(48)
    redirect_uri = base_url.rstrip("/") + CALLBACK
    kept = {
        "state": vault.digest(state),
        "session": session,
        "expires_at": house.clock.now() + LIFE_MS,
        "redirect_uri": redirect_uri,
    }
    with house.db.write() as db:
        secrets.store_facts(house, db, REALM, ROW, kept, by, Secret(verifier))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "client_id": github_device.client_id(house),
        "redirect_uri": redirect_uri,
        "scope": SCOPE,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{house.outward.github_url}/login/oauth/authorize?{urlencode(query)}"


def finish(house: House, session: str | None, state: str, code: str, error: str, by: By) -> None:
    """GitHub sent the browser back. Raises StateRefused, SignInRefused, and what the network says.

    The state is used up as soon as it has been seen, whoever brought it.
    """
    redirect_uri, verifier = _used(house, session, state)
    if error or not code:
        raise refusals.sign_in({"error": error or "bad_verification_code"})
    client_id = github_device.client_id(house)
    grant = GitHub(house.outward).code_grant(client_id, code, verifier, redirect_uri)
    with house.db.write() as db:
        github_account.keep(house, db, grant, flow="web", client_id=client_id, by=by)
    github_account.name(house)


def _used(house: House, session: str | None, state: str) -> tuple[str, Secret]:
    with house.db.write() as db:
        kept, (verifier,) = secrets.opened_facts(house, db, REALM, ROW) or ({}, [Secret("")])
        if not hmac.compare_digest(str(kept.get("state", "")), vault.digest(state)):
            raise StateRefused(
                "this answer belongs to no sign-in that was begun here, or came a second time", hint=ANEW
            )
        secrets.forget(db, REALM, ROW)
    if kept["session"] != session:
        raise StateRefused("the sign-in was begun in another browser or session", hint=ANEW)
    if house.clock.now() >= kept["expires_at"]:
        raise StateRefused("the sign-in took longer than ten minutes", hint=ANEW)
    return kept["redirect_uri"], verifier
