"""The running instance of a data directory, as commands talk to it: HTTP on this machine, with the token it left there.

`http.client`, because a command takes 80 ms longer with httpx2, and this needs neither redirects nor a proxy: nothing
here looks at the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from longhouse.errors import LonghouseError
from longhouse.paths import Paths
from longhouse.version import VERSION

SECONDS = 30.0
"""How long an answer may take. The slowest is the test of a job whose environment has to be built first."""
SILENCE_SECONDS = 40.0
"""A stream that says nothing for this long is dead: the server sends a comment every 15 s."""

Value = str | int | bool | None | list[str]
Query = dict[str, Value]


class Unreachable(LonghouseError):
    code: ClassVar[str] = "unreachable"
    kind: ClassVar[str] = "unreachable"


class Refused(LonghouseError):
    """The server answered with a problem document."""

    kind: ClassVar[str] = "refused"

    def __init__(self, problem: dict[str, Any], status: int) -> None:
        super().__init__(str(problem.get("detail", "")), hint=str(problem.get("hint", "")))
        self.problem = problem
        self.status = status


class Instance:
    def __init__(self, url: str, token: str, *, start: str) -> None:
        address = urlsplit(url)
        if address.scheme != "http" or not address.hostname:
            raise Unreachable(f"{url!r} is not the address of an instance", hint=start)
        self.url = url.rstrip("/")
        self._host, self._port = address.hostname, address.port or 80
        self._token = token
        self._start = start

    @classmethod
    def of(cls, data_dir: Path, *, shown_flag: bool) -> Instance:
        """The instance that runs on `data_dir`. Raises Unreachable. `shown_flag`: hints name the directory."""
        start = f"Start it with: longhouse-jobs serve{f' --data-dir {data_dir}' if shown_flag else ''}"
        path = Paths(data_dir).instance
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(found["url"], found["token"], start=start)
        except FileNotFoundError:
            raise Unreachable(f"no instance runs on {data_dir}", hint=start) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"{path} cannot be read: {error}", hint=start) from error

    def get(self, path: str, /, **query: Value) -> Any:
        return self._json("GET", path, query)

    def post(self, path: str, body: Any = None, *, seconds: float = SECONDS, **query: Value) -> Any:
        return self._json("POST", path, query, {} if body is None else body, seconds)

    def put(self, path: str, body: Any) -> Any:
        return self._json("PUT", path, {}, body)

    def patch(self, path: str, body: Any) -> Any:
        return self._json("PATCH", path, {}, body)

    def delete(self, path: str) -> Any:
        return self._json("DELETE", path, {})

    def pages(self, path: str, most: int | None, /, **query: Value) -> tuple[list[Any], str | None]:
        """The items of a list, `most` of them or all, and the cursor of what comes after."""
        items: list[Any] = []
        cursor: str | None = None
        while most is None or len(items) < most:
            limit = 200 if most is None else min(200, most - len(items))
            page = self.get(path, **query, limit=limit, cursor=cursor)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        return items, cursor

    def bytes(self, path: str, **query: Value) -> Iterator[bytes]:
        """The body of an answer, piece by piece."""
        response = self._open("GET", path, query, accept="*/*")
        with response:
            while piece := self._guarded(response.read1, 65_536):
                yield piece

    def events(
        self, path: str, last_id: str | None = None, seconds: float | None = None, **query: Value
    ) -> Iterator[Event]:
        """Server-sent events until the server ends the stream. Raises Unreachable when it breaks or falls silent.

        `seconds` is the longest silence that the caller bears; the server breaks it every 15 s.
        """
        headers = {"Last-Event-ID": last_id} if last_id else {}
        silence = SILENCE_SECONDS if seconds is None else min(SILENCE_SECONDS, seconds)
        response = self._open("GET", path, query, accept="text/event-stream", headers=headers, seconds=silence)
        with response:
            event = Event()
            while raw := self._guarded(response.readline, -1):
                text = raw.decode("utf-8", "replace").rstrip("\r\n")
                if not text:
                    if event.data is not None:
                        yield event
                    event = Event()
                else:
                    event.take(text)

    def _json(self, method: str, path: str, query: Query, body: Any = None, seconds: float = SECONDS) -> Any:
        response = self._open(method, path, query, body=body, seconds=seconds)
        with response:
            raw = self._guarded(response.read)
        return json.loads(raw) if raw else None

    def _open(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        body: Any = None,
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
        seconds: float = SECONDS,
    ) -> HTTPResponse:
        given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        kept = urlencode({name: value for name, value in given.items() if value is not None}, doseq=True)
        sent = {
            "Authorization": f"Bearer {self._token}",
            "User-Agent": f"longhouse-jobs/{VERSION}",
            "Accept": accept,
            "Connection": "close",
            **(headers or {}),
        }
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        connection = HTTPConnection(self._host, self._port, timeout=seconds)
        self._guarded(connection.request, method, f"{path}?{kept}" if kept else path, payload, sent)
        response: HTTPResponse = self._guarded(connection.getresponse)
        if response.status >= 400:
            with response:
                raise _refusal(response.status, self._guarded(response.read))
        return response

    def _guarded(self, function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except TimeoutError as error:
            raise Unreachable(
                f"the instance at {self.url} does not answer", hint="Is the machine overloaded?"
            ) from error
        except (OSError, HTTPException) as error:
            raise Unreachable(f"the instance at {self.url} cannot be reached: {error}", hint=self._start) from error


class Event:
    """One server-sent event."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = "message"
        self.data: str | None = None

    def take(self, text: str) -> None:
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            self.id = value
        elif field == "event":
            self.name = value
        elif field == "data":
            self.data = value if self.data is None else f"{self.data}\n{value}"

    def json(self) -> Any:
        return json.loads(self.data or "null")


def _refusal(status: int, raw: bytes) -> Refused:
    try:
        problem = json.loads(raw)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"type": "about:blank", "title": "Unexpected answer", "detail": f"the server answered {status}"}
    return Refused({"status": status, **problem}, status)
