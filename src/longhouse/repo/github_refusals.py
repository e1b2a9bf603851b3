"""What GitHub can say no with, each in a sentence of its own with what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from longhouse.clock import iso
from longhouse.errors import Invalid, LonghouseError

RECONNECT = "Reconnect GitHub: Jobs repo → Connect GitHub."
LONGEST_SAID = 200


class GitHubFailed(LonghouseError):
    """GitHub answered with something that nobody expects."""

    code = "github.unexpected"
    kind = "remote"


class BadCredentials(GitHubFailed):
    """401: the token was revoked, has expired, or never was one."""

    code = "github.bad_credentials"


class Forbidden(GitHubFailed):
    """403: the token is good, and was not made for this."""

    code = "github.forbidden"


class SsoRequired(GitHubFailed):
    """The organisation lets in only tokens that were authorised for its single sign-on; `url` is where."""

    code = "github.sso_required"


class Missing(GitHubFailed):
    """404: it does not exist, or the token may not see it."""

    code = "github.not_found"


class RateLimited(GitHubFailed):
    """GitHub wants fewer requests; `retry_after_seconds` or `resets_at` says until when."""

    code = "github.rate_limited"


class Down(GitHubFailed):
    """GitHub's servers have an error of their own."""

    code = "github.down"


class Unreachable(GitHubFailed):
    """There was no answer: network, name, proxy, certificate or time."""

    code = "github.unreachable"


class SignInRefused(GitHubFailed):
    """A sign-in ended without a token."""

    code = "github.sign_in_refused"


class Reconnect(GitHubFailed):
    """The stored sign-in is used up and cannot be renewed."""

    code = "github.reconnect"
    kind = "conflict"


def unexpected(what: str) -> GitHubFailed:
    return GitHubFailed(f"GitHub answered with {what}", hint="Is `github_url` in config.toml the address of a GitHub?")


def refused(status: int, headers: Mapping[str, str], body: Any, what: str, host: str) -> LonghouseError:
    """The error for an answer that is no success; `what` was asked for."""
    said = _said(body)
    if status == 401:
        hint = f"It was revoked, it has expired, or it was not pasted whole. Make a new one, or: {RECONNECT}"
        return BadCredentials(f"{host} does not accept the token (401: {said or 'bad credentials'})", hint=hint)
    limited = status == 429 or (status == 403 and _limited(headers, said))
    if limited:
        return _rate_limited(headers, host)
    if status == 403 and (link := _sso(headers, host)) is not None:
        message = "the organisation that owns the repository wants the token authorised for its single sign-on"
        hint = f"Authorise it at {link} and try again." if link else "Authorise it in the token's settings at GitHub."
        return SsoRequired(message, hint=hint, url=link)
    if status == 403:
        accepted = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes") or ""
        needs = f" It needs: {accepted[:LONGEST_SAID]}." if accepted else ""
        hint = f"Give the token `Contents: read and write` on this repository, or the scope `repo`.{needs}"
        return Forbidden(f"the token may not do this (403: {said or 'forbidden'})", hint=hint)
    if status == 404:
        hint = "Look at its spelling; a private repository is also invisible to a token that does not include it."
        return Missing(f"{host} knows nothing of {what} (404)", hint=hint)
    if status == 422:
        return Invalid(f"{host} cannot do this (422: {said or 'validation failed'})", hint="Choose another name.")
    if status >= 500:
        return Down(f"{host} has an error of its own ({status})", hint="Nothing is wrong here. Try again in a while.")
    if 300 <= status < 400:
        return unexpected(f"a redirection to another place ({status})")
    return unexpected(f"status {status}" + (f": {said}" if said else ""))


def unreachable(error: Exception, host: str) -> Unreachable:
    """For an error of the network: its class and text, which hold no header."""
    text = str(error)
    kind = type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL" in text:
        hint = "Put the certificate of your own authority into a file and name it as `ca_file` in config.toml."
        return Unreachable(f"the certificate of {host} is not trusted, or the connection is not TLS", hint=hint)
    if "Timeout" in kind:
        return Unreachable(
            f"{host} did not answer in time", hint="Try again; is there a proxy to go through (`proxy`)?"
        )
    if "Proxy" in kind:
        return Unreachable(f"the proxy does not let us through to {host}", hint="Look at `proxy` in config.toml.")
    if kind in ("RemoteProtocolError", "ReadError", "WriteError", "DecodingError"):
        return Unreachable(f"the connection to {host} was cut off before the answer was whole", hint="Try again.")
    hint = "Is this machine online, and is the name right? A proxy is set with `proxy` in config.toml."
    return Unreachable(f"{host} cannot be reached", hint=hint)


SIGN_IN = {
    "access_denied": ("the sign-in was cancelled at GitHub", "Start again and choose Authorize."),
    "expired_token": (
        "the code was not entered in time and is no longer good",
        "Start again: there is a new code, good for 15 minutes.",
    ),
    "incorrect_client_credentials": (
        "GitHub does not know the client id, or the secret that goes with it",
        "Compare `github_client_id` and `github_client_secret` with the page of the App at GitHub.",
    ),
    "incorrect_device_code": ("GitHub does not know the code any more", "Start again for a new code."),
    "device_flow_disabled": (
        "the App does not allow signing in with a code",
        "Its owner switches it on: App settings → Enable Device Flow.",
    ),
    "unsupported_grant_type": (
        "this GitHub does not know how to sign in with a code",
        "GitHub Enterprise Server knows it from 3.1 on; use a token instead.",
    ),
    "bad_verification_code": ("the answer from GitHub was used already or is too old", "Start again."),
    "redirect_uri_mismatch": (
        "the App does not lead back to this address",
        "Add this instance's address, ending in /connect/github/callback, to the App's callback URLs.",
    ),
    "bad_refresh_token": ("GitHub does not renew the sign-in any more", RECONNECT),
    "unverified_user_email": ("GitHub wants the account's e-mail address confirmed first", "Confirm it there."),
    "application_suspended": ("GitHub has suspended the App", "Ask its owner, or use a token instead."),
}
"""By GitHub's `error`: what happened and what to do."""


def sign_in(body: Mapping[str, Any]) -> SignInRefused:
    error = str(body.get("error", ""))[:80]
    known = SIGN_IN.get(error)
    if known is None:
        said = _clean(str(body.get("error_description") or error or "no token and no reason"))
        return SignInRefused(f"GitHub refuses the sign-in: {said}", hint="Start again, or use a token.", error=error)
    return SignInRefused(known[0], hint=known[1], error=error)


def reconnect(why: str) -> Reconnect:
    return Reconnect(f"the sign-in with GitHub has ended: {why}", hint="Reconnect GitHub on the Jobs repo page.")


def _limited(headers: Mapping[str, str], said: str) -> bool:
    return headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers or "rate limit" in said.lower()


def _rate_limited(headers: Mapping[str, str], host: str) -> RateLimited:
    message = f"{host} wants fewer requests from this account"
    wait, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if re.fullmatch(r"[0-9]{1,6}", wait):
        return RateLimited(
            f"{message}: not before {wait} s from now", hint="Wait so long.", retry_after_seconds=int(wait)
        )
    if re.fullmatch(r"[0-9]{1,11}", reset):
        at = iso(int(reset) * 1000)
        return RateLimited(f"{message}: not before {at}", hint="Its limit is for the hour. Wait so long.", resets_at=at)
    return RateLimited(message, hint="Wait a minute or two.")


def _sso(headers: Mapping[str, str], host: str) -> str | None:
    """Where the token can be authorised; empty: not said, or on another host; None: it is not that."""
    value = headers.get("x-github-sso")
    if value is None or not value.startswith("required"):
        return None
    found = re.search(r"url=(https://\S{1,500})", value)
    return found[1] if found and urlsplit(found[1]).hostname == host else ""


def _said(body: Any) -> str:
    """GitHub's own words, and for a 422 those about its fields."""
    if not isinstance(body, dict):
        return ""
    parts = [str(body.get("message") or "")]
    errors = body.get("errors")
    for each in errors if isinstance(errors, list) else ():
        parts.append(str(each.get("message") or "") if isinstance(each, dict) else str(each))
    return _clean(", ".join(filter(None, parts)))


def _clean(text: str) -> str:
    return " ".join(text.split())[:LONGEST_SAID].rstrip(".")
