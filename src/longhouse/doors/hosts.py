"""Only requests that mean this instance: the Host allow-list, and what a trusted proxy says of the connection."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from longhouse.doors import problems
from longhouse.errors import LonghouseError

ALWAYS = ("localhost", "127.0.0.1", "::1")


class Proxies:
    """Sets `scope["client"]` and `scope["scheme"]` from X-Forwarded-For and -Proto, if the peer is a trusted proxy.

    The client is the right-most hop that is not trusted; what stands further left can be anybody's word.
    """

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str]) -> None:
        self.app = app
        self.trusted: list[IPv4Network | IPv6Network] = [ip_network(each, strict=False) for each in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.trusted and scope["type"] in ("http", "websocket") and self._is_trusted(peer_of(scope)):
            headers = Headers(scope=scope)
            hops = [hop.strip() for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
            strangers = [hop for hop in hops if hop and not self._is_trusted(hop)]
            if strangers:
                scope["client"] = (strangers[-1][:64], 0)
            if headers.get("x-forwarded-proto") == "https":
                scope["scheme"] = {"http": "https", "ws": "wss"}.get(scope["scheme"], scope["scheme"])
        await self.app(scope, receive, send)

    def _is_trusted(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


def peer_of(scope: Scope) -> str:
    """The address that limits count by."""
    return scope["client"][0] if scope.get("client") else "local"


class Hosts:
    """421 for every other name, so that a page of another site cannot reach us through a name of its own."""

    def __init__(self, app: ASGIApp, *, allowed: Iterable[str]) -> None:
        self.app = app
        self.allowed = {name.strip("[]").lower() for name in (*ALWAYS, *allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._means_us(scope):
            await self.app(scope, receive, send)
            return
        error = problems.Misdirected("this instance does not answer under that host name")
        await refuse(scope, receive, send, error)

    def _means_us(self, scope: Scope) -> bool:
        given = Headers(scope=scope).getlist("host")
        if len(given) != 1:
            return False
        name = host_name(given[0])
        return name in self.allowed or (bool(name) and name == _own_address(scope))


def host_name(header: str) -> str:
    """The name in a Host header without its port, "" if it has no such form."""
    header = header.lower()
    if header.startswith("["):
        name, bracket, port = header[1:].partition("]")
        good = bracket and (not port or (port[0] == ":" and port[1:].isdigit()))
    else:
        name, colon, port = header.partition(":")
        good = not colon or port.isdigit()
    return name if good else ""


def _own_address(scope: Scope) -> str | None:
    """The address that the connection came in on, if it is one: no name of another site resolves into this check."""
    server = scope.get("server")
    try:
        return str(ip_address(server[0])) if server else None
    except ValueError:
        return None


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    error: LonghouseError,
) -> None:
    """End a request here. A WebSocket is closed before it opens, which its client sees as 403."""
    if scope["type"] == "http":
        await problems.answer(scope, error)(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        response = problems.answer(scope, error)
        await send(
            {
                "type": "websocket.http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await send({"type": "websocket.http.response.body", "body": response.body})
    else:
        await send({"type": "websocket.close", "code": 1008})
