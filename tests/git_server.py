"""A real git server on loopback: https with an authority of its own, a token, and faults on demand.

`git http-backend` does the work; this only carries requests to it. `server.fault = "429"` makes the next requests fail
in that way until it is None again.
"""

from __future__ import annotations

import base64
import datetime
import hmac
import os
import secrets
import ssl
import subprocess
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FAULTS = (
    *("401", "403", "404", "protected branch", "not fast-forward", "429", "500", "hang", "TLS", "cut off"),
    *("redirect", "push protection"),
)
ON_PUSH = {
    "protected branch": "GH006: Protected branch update failed for refs/heads/main.",
    "push protection": "GH013: Repository rule violations found. Push cannot contain secrets (GITHUB PUSH PROTECTION)",
}
RETRY_AFTER = 120
ENDLESS = 1 << 40
"""Bytes that the one file of an endless pack claims to have."""
NAMES = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])


class GitServer:
    """One bare repository, `url`, for whoever sends `token` as password. Ended with `close()`.

    The token is new each time: tests look for theirs in every process of the machine, and others run beside.
    """

    def __init__(self, folder: Path, *, token: str = "", path: str = "ada/jobs.git") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, path
        self.token = token or f"tkn_{secrets.token_hex(6)}-canary-of-the-remote"
        self.repo = folder / "repos" / path
        self.repo.parent.mkdir(parents=True)
        plain("init", "--quiet", "--bare", "--initial-branch=main", str(self.repo))
        plain("-C", str(self.repo), "config", "http.receivepack", "true")
        self.fault: str | None = None
        self.requests: list[tuple[str, str, int]] = []
        """Method, path with query, status."""
        self.released = threading.Event()
        """Ends what hangs."""
        self.ca_file, self._good = authority(folder / "good")
        self._bad = authority(folder / "bad")[1]
        self._server = _Server(("127.0.0.1", 0), _Handler, self)
        self.port: int = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}/{path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> GitServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def context(self) -> ssl.SSLContext:
        return self._bad if self.fault == "TLS" else self._good

    # --- as another person ------------------------------------------------------------------------------------------

    def commit(
        self, files: Mapping[str, str | bytes | None], message: str = "From the other side", branch: str = "main"
    ) -> str:
        """A commit on the remote with these files changed (None: gone); its id."""
        work = self.folder / "work"
        if not work.exists():
            plain("init", "--quiet", "--initial-branch=main", str(work))
        fetched = plain("-C", str(work), "fetch", "--quiet", str(self.repo), branch, check=False).returncode == 0
        if fetched:
            plain("-C", str(work), "checkout", "--quiet", "--force", "-B", branch, "FETCH_HEAD")
        else:
            plain("-C", str(work), "checkout", "--quiet", "--orphan", branch, check=False)
        for name, text in files.items():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.unlink()
            else:
                target.write_bytes(text.encode() if isinstance(text, str) else text)
        plain("-C", str(work), "add", "--all", "--force")
        plain("-C", str(work), "commit", "--quiet", "--allow-empty", "-m", message)
        plain("-C", str(work), "push", "--quiet", str(self.repo), f"HEAD:refs/heads/{branch}")
        return self.at(branch) or ""

    def at(self, branch: str = "main") -> str | None:
        found = plain("-C", str(self.repo), "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)
        return found.stdout.strip() or None

    def has(self, commit: str, branch: str) -> bool:
        """Whether `commit` is behind `branch` there."""
        words = ("merge-base", "--is-ancestor", commit, f"refs/heads/{branch}")
        return plain("-C", str(self.repo), *words, check=False).returncode == 0

    def text(self, path: str, branch: str = "main") -> str:
        return plain("-C", str(self.repo), "show", f"{branch}:{path}").stdout

    def hook(self, said: str | None) -> None:
        """Refuse every push with these words; None: no more."""
        script = self.repo / "hooks" / "pre-receive"
        if said is None:
            script.unlink(missing_ok=True)
            return
        script.write_text(f'#!/bin/sh\ncat >/dev/null\necho "error: {said}" >&2\nexit 1\n')
        script.chmod(0o755)


def plain(
    *args: str, check: bool = True, env: Mapping[str, str] = MappingProxyType({}), given: str = ""
) -> subprocess.CompletedProcess[str]:
    """git as somebody else runs it."""
    who = ("-c", "user.name=Grace", "-c", "user.email=grace@example.org", "-c", "gc.auto=0")
    clean = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **env}
    return subprocess.run(["git", *who, *args], check=check, capture_output=True, text=True, env=clean, input=given)


def authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """The certificate file of a new authority, and a server's context that it vouches for."""
    folder.mkdir()
    own, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
    ca = _certificate(name, name, own, own, x509.BasicConstraints(ca=True, path_length=None))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = _certificate(subject, name, server, own, x509.BasicConstraints(ca=False, path_length=None))
    pem, plainly = serialization.Encoding.PEM, serialization.NoEncryption()
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, plainly)
    chain.write_bytes(made.public_bytes(pem) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return ca_file, context


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signed_by: ec.EllipticCurvePrivateKey,
    basic: x509.BasicConstraints,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(basic, critical=True)
        .add_extension(NAMES, critical=False)
        .sign(signed_by, hashes.SHA256())
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], ours: GitServer) -> None:
        super().__init__(address, handler)
        self.ours = ours

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake in the connection's own thread."""
        with suppress(OSError):
            request.settimeout(30)
            with self.ours.context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        ours, body = self.server.ours, self._body()
        fault = ours.fault
        if fault == "hang":
            ours.released.wait(60)
            self.close_connection = True
        elif fault == "redirect":
            self._answer(302, b"", {"Location": f"https://elsewhere.example/{self.path.lstrip('/')}"})
        elif not self._known():
            self._answer(401, b"who is it?", {"WWW-Authenticate": 'Basic realm="git"'})
        elif fault == "401":
            self._answer(401, b"bad credentials", {"WWW-Authenticate": 'Basic realm="git"'})
        elif fault == "403":
            self._answer(403, b"Resource not accessible by this token")
        elif fault == "echo":
            sent = self.headers["Authorization"].partition(" ")[2]
            self._answer(403, f"{ours.token} may not, nor may {sent}".encode())
        elif fault == "page":
            self._answer(200, b"<html><p>Please sign in</p></html>", {"Content-Type": "text/html"})
        elif fault == "nothing":
            self._answer(200, b"", {"Content-Type": f"application/x-{urlsplit(self.path).query[8:]}-advertisement"})
        elif fault == "404" or not self.path.startswith(f"/{ours.path}/"):
            self._answer(404, b"Repository not found.")
        elif fault == "429":
            self._answer(429, b"slow down", {"Retry-After": str(RETRY_AFTER)})
        elif fault == "500":
            self._answer(500, b"sorry")
        elif fault == "read only" and "git-receive-pack" in self.path:
            self._answer(403, b"this token may only read")
        else:
            self._git(body, fault)

    def _known(self) -> bool:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        password = base64.b64decode(value).decode().partition(":")[2]
        return hmac.compare_digest(password, self.server.ours.token)

    def _git(self, body: bytes, fault: str | None) -> None:
        ours, where = self.server.ours, urlsplit(self.path)
        pushes = where.path.endswith("git-receive-pack") and self.command == "POST"
        if pushes and fault == "not fast-forward":
            ours.commit({"jobs/raced.py": "x = 1\n"}, "In between")
        ours.hook(ON_PUSH.get(fault or ""))
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(ours.folder / "repos"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REMOTE_USER": "ada",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": where.path,
            "QUERY_STRING": where.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n") if line]
        headers = {name: value for name, _, value in lines}
        status = int(headers.pop("Status", "200").split()[0])
        if fault == "endless" and b"packfile\n" in content:
            self._endless(content.partition(b"packfile\n")[0] + b"packfile\n")
        elif fault == "corrupt" and b"PACK" in content:
            at = content.index(b"PACK") + 12
            self._answer(status, content[:at] + bytes(reversed(content[at : at + 40])) + content[at + 40 :], headers)
        elif fault == "cut off" and b"PACK" in content:
            self._answer(status, content, headers, only=content.index(b"PACK") + 20)
        else:
            self._answer(status, content, headers)

    def _endless(self, begun: bytes) -> None:
        """A pack with one file that never ends, about 25 MB of it a second."""
        size, head = ENDLESS >> 4, bytearray([0xB0 | ENDLESS & 15])
        while size:
            head.append(size & 127 | (128 if size >> 7 else 0))
            size >>= 7
        packed, noise = zlib.compressobj(0), secrets.token_bytes(65_000)
        self.server.ours.requests.append((self.command, self.path, 200))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(begun)
        more = b"PACK" + (2).to_bytes(4) + (1).to_bytes(4) + bytes(head)
        while self.server.ours.fault == "endless" and not self.server.ours.released.wait(0.002):
            for at in range(0, len(more), 65_000):
                part = more[at : at + 65_000]
                self.wfile.write(f"{len(part) + 5:04x}".encode() + b"\x01" + part)
            more = packed.compress(noise)
        self.close_connection = True

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, only: int | None = None
    ) -> None:
        """`only` so many bytes of it, then the connection is cut."""
        self.server.ours.requests.append((self.command, self.path, status))
        self.send_response(status)
        given = {"Content-Type": "text/plain", **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body[:only])
        if only is not None:
            self.close_connection = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)
