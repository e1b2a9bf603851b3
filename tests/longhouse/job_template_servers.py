"""What the templates of jobs talk to, on the loopback: a web server with feeds, an SMTP server, an S3 storage that
verifies signatures by the published description of Signature Version 4."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socketserver
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY_ID, SECRET = "AKIALOOPBACK00000001", "s3cr3t/of+the/loopback/storage"
PASSWORD = "correct horse battery"


def feed(*titles: str) -> bytes:
    items = "".join(f"<item><title>{each}</title><link>https://a.example/{each}</link></item>" for each in titles)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'.encode()


class Web(BaseHTTPRequestHandler):
    pages: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        status, body = self.server.pages.get(self.path, (404, b"not here"))  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Storage(BaseHTTPRequestHandler):
    """One bucket, `backups`; lists come two names at a time."""

    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        path, _, query = self.path.partition("?")
        if (why := refusal(self.command, path, query, dict(self.headers.items()), body)) is not None:
            server.refused.append(why)  # type: ignore[attr-defined]
            return self._answer(403, f"<Error><Code>{why}</Code></Error>".encode())
        objects: dict[str, tuple[bytes, str]] = server.objects  # type: ignore[attr-defined]
        key = urllib.parse.unquote(path).removeprefix("/backups").removeprefix("/")
        if self.command == "PUT":
            objects[key] = (body, self.headers["x-amz-meta-sha256"])
            return self._answer(200)
        if self.command == "DELETE":
            objects.pop(key)
            return self._answer(204)
        if self.command == "HEAD":
            data, digest = objects[key]
            return self._answer(200, data, {"x-amz-meta-sha256": digest})
        asked = dict(urllib.parse.parse_qsl(query))
        found = sorted(name for name in objects if name.startswith(asked["prefix"]))
        start = int(asked.get("continuation-token", 0))
        parts = "".join(f"<Contents><Key>{name}</Key></Contents>" for name in found[start : start + 2])
        more = f"<NextContinuationToken>{start + 2}</NextContinuationToken>" if len(found) > start + 2 else ""
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        return self._answer(200, f'<ListBucketResult xmlns="{space}">{parts}{more}</ListBucketResult>'.encode())

    do_GET = do_PUT = do_DELETE = do_HEAD = _handle

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def refusal(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> str | None:
    """Why S3 would refuse the request."""
    given = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    scheme, _, rest = given.get("authorization", "").partition(" ")
    parts = dict(each.strip().split("=", 1) for each in rest.split(",") if "=" in each)
    key_id, _, scope = parts.get("Credential", "").partition("/")
    day, region, service, end = scope.split("/")
    if scheme != "AWS4-HMAC-SHA256" or key_id != KEY_ID or (service, end) != ("s3", "aws4_request"):
        return "InvalidAccessKeyId"
    if given["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return "XAmzContentSHA256Mismatch"
    signed = parts["SignedHeaders"].split(";")
    if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed):
        return "AccessDenied"
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(
        f"{urllib.parse.quote(a, safe='-_.~')}={urllib.parse.quote(b, safe='-_.~')}" for a, b in pairs
    )
    canonical_headers = "".join(f"{name}:{given[name]}\n" for name in signed)
    canonical = [method, path, canonical_query, canonical_headers, ";".join(signed), given["x-amz-content-sha256"]]
    text = ["AWS4-HMAC-SHA256", given["x-amz-date"], scope, hashlib.sha256("\n".join(canonical).encode()).hexdigest()]
    key = b"AWS4" + SECRET.encode()
    for word in (day, region, service, end, "\n".join(text)):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(key.hex(), parts["Signature"]) else "SignatureDoesNotMatch"


class Mail(socketserver.StreamRequestHandler):
    """Takes one mail at a time, from whoever knows the password."""

    def handle(self) -> None:
        self._say("220 loopback")
        known = False
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ")[0].upper()
            if word in ("EHLO", "HELO"):
                self._say("250-loopback\r\n250 AUTH PLAIN")
            elif word == "AUTH":
                known = base64.b64decode(line.split(" ")[2]).split(b"\0")[2].decode() == PASSWORD
                self._say("235 welcome" if known else "535 no")
            elif word == "DATA":
                self._say("354 go on")
                data = b""
                while (each := self.rfile.readline()) != b".\r\n":
                    data += each
                self.server.mails.append(data.decode())  # type: ignore[attr-defined]
                self._say("250 kept")
            elif word == "QUIT":
                return self._say("221 bye")
            else:
                self._say("250 fine" if known else "530 sign in first")
        return None

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Threaded(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def listening(handler: type, **state: object) -> Iterator[tuple[socketserver.BaseServer, int]]:
    """The server and its port."""
    kind = ThreadingHTTPServer if issubclass(handler, BaseHTTPRequestHandler) else Threaded
    with kind(("127.0.0.1", 0), handler) as server:
        vars(server).update(state)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server, server.server_address[1]
        finally:
            server.shutdown()
            thread.join(10)
