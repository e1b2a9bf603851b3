"""Static files under addresses that carry their content's hash, so that browsers may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


class Assets:
    """An ASGI application for `/static`; `url("app.css")` is `/static/app.1f3c9a….css`."""

    def __init__(self, folder: Path = FOLDER, prefix: str = "/static") -> None:
        self.prefix = prefix
        self._files: dict[str, Path] = {}
        self._urls: dict[str, str] = {}
        self._small: dict[str, bytes] = {}
        """The files as gzip, made when one is first asked for."""
        for path in sorted(folder.rglob("*")):
            if path.suffix in TYPES:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
                name = path.relative_to(folder)
                hashed = name.with_name(f"{path.stem}.{digest}{path.suffix}").as_posix()
                self._files[hashed] = path
                self._urls[name.as_posix()] = f"{prefix}/{hashed}"

    def url(self, name: str) -> str:
        return self._urls[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Only GET works here.\n", 405, headers={"Allow": "GET, HEAD"})
        name = str(scope["path"]).removeprefix(f"{self.prefix}/")
        path = self._files.get(name)
        if path is None:
            return PlainTextResponse("There is no such file.\n", 404)
        headers = {"Cache-Control": FOREVER, "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
        if "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)
        if name not in self._small:
            self._small[name] = gzip.compress(path.read_bytes(), mtime=0)
        headers["Content-Encoding"] = "gzip"
        return Response(self._small[name], media_type=TYPES[path.suffix], headers=headers)
