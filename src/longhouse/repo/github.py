"""GitHub's API, the few calls of it that we need, by hand.

Every call is one request with a limit on time and size. What goes wrong is one of the errors of `github_refusals`; no
token is in an address, and none in an error.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from longhouse.outward import Outward
from longhouse.repo import github_refusals as refusals
from longhouse.vault import Secret

if TYPE_CHECKING:
    import httpx2

SECONDS = 15.0
"""For each part of a call: to connect, to wait for the next bytes."""
LARGEST = 8 * 1024 * 1024
"""A page of a hundred repositories is 600 kB."""
VERSION = "2022-11-28"
AGENT = "longhouse-jobs"
PAGE = 100
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "repo"
"""What an OAuth App has to ask for to push to private repositories; a GitHub App's permissions are its own."""
APP_TOKEN = "ghu_"  # noqa: S105 - how the token of a GitHub App's user begins
REDIRECTS = (301, 302, 307, 308)
"""A repository that was renamed answers with one."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: Any


@dataclass(frozen=True)
class Repository:
    full_name: str
    url: str
    """Where git clones it from."""
    default_branch: str
    private: bool
    push: bool
    """Whether its user may push; a fine-grained token may allow less than that."""
    archived: bool


@dataclass(frozen=True)
class Person:
    login: str
    scopes: tuple[str, ...] | None
    """Of a classic or OAuth token; None for those that have permissions instead."""
    token_ends: str | None
    """As GitHub says it; None: never, or not said."""


@dataclass(frozen=True)
class Grant:
    """Tokens that a sign-in or a renewal gave."""

    token: Secret
    refresh: Secret | None
    seconds: int | None
    """How long the token is good; None: until it is revoked."""
    refresh_seconds: int | None


@dataclass(frozen=True)
class DeviceCode:
    device_code: Secret
    user_code: str
    verification_uri: str
    interval: int
    seconds: int


@dataclass(frozen=True)
class GitHub:
    """One GitHub for one token; without one only the sign-in calls work."""

    outward: Outward
    token: Secret | None = field(default=None, repr=False)

    # --- the API --------------------------------------------------------------------------------------------------

    def user(self) -> Person:
        answer = self._api("GET", "/user")
        scopes = answer.headers.get("x-oauth-scopes")
        return Person(
            login=str(_member(answer.body, "login")),
            scopes=tuple(scopes.replace(",", " ").split()) if scopes is not None else None,
            token_ends=answer.headers.get("github-authentication-token-expiration"),
        )

    def repository(self, full_name: str) -> Repository:
        path = "/".join(quote(part, safe="") for part in full_name.split("/"))
        return self._repository(self._api("GET", f"/repos/{path}", what=f"the repository {full_name}").body)

    def repositories(self, page: int) -> tuple[list[Repository], bool]:
        """One page of those that the token's user can push to, newest pushed first, and whether there are more.

        The token of a GitHub App's user sees those on which the App is installed.
        """
        if self.token is not None and self.token.reveal().startswith(APP_TOKEN):
            return self._of_installations(page)
        answer = self._api("GET", "/user/repos", query={"per_page": PAGE, "page": page, "sort": "pushed"})
        return self._pushable(_list(answer.body)), _has_next(answer)

    def create(self, name: str) -> Repository:
        """A private repository with nothing in it, of the token's user."""
        answer = self._api("POST", "/user/repos", body={"name": name, "private": True, "auto_init": False})
        return self._repository(answer.body)

    def _of_installations(self, page: int) -> tuple[list[Repository], bool]:
        found: list[Repository] = []
        more = False
        answer = self._api("GET", "/user/installations", query={"per_page": PAGE, "page": 1})
        for each in _list(_member(answer.body, "installations")):
            path = f"/user/installations/{int(_member(each, 'id'))}/repositories"
            part = self._api("GET", path, query={"per_page": PAGE, "page": page})
            found += self._pushable(_list(_member(part.body, "repositories")))
            more = more or _has_next(part)
        return found, more

    def _pushable(self, items: list[Any]) -> list[Repository]:
        found = [self._repository(each) for each in items]
        return [each for each in found if each.push and not each.archived]

    def _repository(self, item: Any) -> Repository:
        """Raises Unexpected for an address on another host: the token would be shown to it."""
        url = str(_member(item, "clone_url"))
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname != self.outward.github_host or parts.username:
            raise refusals.unexpected("a repository's address that is on another host")
        permissions = item.get("permissions") or {}
        return Repository(
            full_name=str(_member(item, "full_name")),
            url=url,
            default_branch=str(item.get("default_branch") or "main"),
            private=bool(_member(item, "private")),
            push=bool(permissions.get("push")),
            archived=bool(item.get("archived")),
        )

    # --- signing in -----------------------------------------------------------------------------------------------

    def device_code(self, client_id: str) -> DeviceCode:
        body = self._sign_in("/login/device/code", {"client_id": client_id, "scope": SCOPE})
        if "device_code" not in body:
            raise refusals.sign_in(body)
        uri = str(_member(body, "verification_uri"))
        if urlsplit(uri).hostname != self.outward.github_host:
            raise refusals.unexpected("an address for the code that is on another host")
        return DeviceCode(
            device_code=Secret(str(body["device_code"])),
            user_code=str(_member(body, "user_code")),
            verification_uri=uri,
            interval=_seconds(body, "interval") or 5,
            seconds=_seconds(body, "expires_in") or 900,
        )

    def device_grant(self, client_id: str, device_code: Secret) -> Grant | dict[str, Any]:
        """The tokens, or the answer that says why there are none (yet): its member `error`."""
        fields = {"client_id": client_id, "device_code": device_code.reveal(), "grant_type": DEVICE_GRANT}
        body = self._sign_in("/login/oauth/access_token", fields)
        return _grant(body) if "access_token" in body else body

    def code_grant(self, client_id: str, code: str, verifier: Secret, redirect_uri: str) -> Grant:
        """Raises SignInRefused."""
        fields = {"code": code, "code_verifier": verifier.reveal(), "redirect_uri": redirect_uri}
        return self._granted({"client_id": client_id, **self._secret(), **fields})

    def renewed(self, client_id: str, refresh: Secret, *, with_secret: bool) -> Grant:
        """New tokens for the refresh token, which is used up. Raises SignInRefused."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh.reveal()}
        return self._granted({"client_id": client_id, **(self._secret() if with_secret else {}), **fields})

    def _granted(self, fields: dict[str, str]) -> Grant:
        body = self._sign_in("/login/oauth/access_token", fields)
        if "access_token" not in body:
            raise refusals.sign_in(body)
        return _grant(body)

    def _secret(self) -> dict[str, str]:
        secret = self.outward.client_secret
        return {} if secret is None else {"client_secret": secret.reveal()}

    def _sign_in(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """Refusals of a sign-in come with status 200 or 400 and the member `error`."""
        with self._client() as client:
            answer = self._send(client, "POST", self.outward.github_url + path, data=fields)
        if answer.status == 404:
            raise refusals.sign_in({"error": "incorrect_client_credentials"})
        if isinstance(answer.body, dict) and ("error" in answer.body or answer.status == 200):
            return answer.body
        raise refusals.refused(answer.status, answer.headers, answer.body, "the sign-in", self.outward.github_host)

    # --- one request ----------------------------------------------------------------------------------------------

    def _api(self, method: str, path: str, *, what: str = "this", **more: Any) -> Answer:
        base = self.outward.github_api_url
        with self._client() as client:
            answer = self._send(client, method, base + path, **more)
            target = answer.headers.get("location", "")
            if answer.status in REDIRECTS and method == "GET" and target.startswith(base + "/"):
                answer = self._send(client, method, target, **more)
        if not 200 <= answer.status < 300:
            raise refusals.refused(answer.status, answer.headers, answer.body, what, self.outward.github_host)
        return answer

    @contextmanager
    def _client(self) -> Iterator[httpx2.Client]:
        import httpx2

        context = ssl.create_default_context()
        if self.outward.ca_file is not None:
            context.load_verify_locations(self.outward.ca_file)
        proxy = self.outward.proxy
        try:
            with httpx2.Client(verify=context, proxy=proxy, trust_env=proxy is None, timeout=SECONDS) as client:
                yield client
        except httpx2.HTTPError as error:
            raise refusals.unreachable(error, self.outward.github_host) from None  # its request holds the token

    def _send(
        self,
        client: httpx2.Client,
        method: str,
        url: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        data: Mapping[str, str] | None = None,
    ) -> Answer:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}
        if data is not None:
            headers = {"Accept": "application/json"}
        elif self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        headers["User-Agent"] = AGENT
        with client.stream(method, url, params=query, json=body, data=data, headers=headers) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise refusals.unexpected(f"more than {LARGEST:,} bytes")
                parts.append(part)
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, found, _parsed(b"".join(parts), response.status_code))


def _parsed(raw: bytes, status: int) -> Any:
    """None for an error page that is no JSON; its status says enough."""
    try:
        return json.loads(raw)
    except ValueError:
        if 200 <= status < 300:
            raise refusals.unexpected("something that is no JSON") from None
        return None


def _grant(body: dict[str, Any]) -> Grant:
    refresh = body.get("refresh_token")
    return Grant(
        token=Secret(str(body["access_token"])),
        refresh=Secret(str(refresh)) if refresh else None,
        seconds=_seconds(body, "expires_in"),
        refresh_seconds=_seconds(body, "refresh_token_expires_in"),
    )


def _seconds(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    text = str(value) if value is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _has_next(answer: Answer) -> bool:
    return 'rel="next"' in answer.headers.get("link", "")


def _member(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or name not in body:
        raise refusals.unexpected(f"an answer without {name!r}")
    return body[name]


def _list(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise refusals.unexpected("something that is no list")
    return body
