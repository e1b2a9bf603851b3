"""Routes that are worked out when they are first asked for.

FastAPI reads the signature of a function, builds the models of its parameters and answers and puts together what calls
it while the module is imported: for two hundred routes most of a second of every start, of which a job that is due
and a person who waits for the first page have nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import RLock
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import compile_path, get_name
from starlette.types import Receive, Scope, Send

_lock = RLock()


class LateRoute(APIRoute):
    """Knows from the start what routing asks of it: path, methods and name. The rest is made at its first use, so a
    mistake in a route shows in the tests that ask every one, not at the start."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        self.path = path
        self.endpoint = endpoint
        self.name = settings.get("name") or get_name(endpoint)
        self.methods = {method.upper() for method in settings.get("methods") or ("GET",)}
        self.include_in_schema = settings["include_in_schema"]
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self._settings: dict[str, Any] | None = settings

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "_settings" in self.__dict__:
            await asyncio.to_thread(
                self._work_out
            )  # the first one takes a tenth of a second, and others wait for the loop
        await super().handle(scope, receive, send)

    def __getattr__(self, name: str) -> Any:
        """Only called for what is not there yet."""
        self._work_out()
        if name not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return self.__dict__[name]

    def _work_out(self) -> None:
        """Once; whoever comes meanwhile waits. What goes wrong is told to the next one, too."""
        with _lock:
            settings = self.__dict__.get("_settings")
            if settings is None:
                return  # it is done, or asks for a part of itself while it is being done
            self._settings = None
            try:
                super().__init__(self.path, self.endpoint, **settings)
            except BaseException:
                self._settings = settings
                raise
            del self.__dict__["_settings"]


def routes(**settings: Any) -> APIRouter:
    """An empty router of such routes. `settings` are those of FastAPI's own."""
    return APIRouter(route_class=LateRoute, **settings)


__all__ = ["LateRoute", "routes"]
