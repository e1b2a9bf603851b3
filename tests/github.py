"""A GitHub on loopback: signing in with a code and by redirection, the API, and the git server behind it.

Every request to the API and every answer is compared with GitHub's own OpenAPI description (tests/vendor); what does
not fit is in `violations`. The sign-in addresses are not in it: their fields are compared with GitHub's manual.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import re
import secrets
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jsonschema_rs

from tests.git_server import GitServer, plain

DESCRIPTION = Path(__file__).parent / "vendor" / "github-openapi-23.0.2.json"
CLIENT_ID = "Iv1.0123456789abcdef"
CLIENT_SECRET = "5ec2e7-of-the-app-canary-0815"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SIGN_IN = {
    "/login/device/code": [{"client_id", "scope"}],
    "/login/oauth/access_token": [
        {"client_id", "device_code", "grant_type"},
        {"client_id", "client_secret", "code", "redirect_uri", "code_verifier"},
        {"client_id", "client_secret", "grant_type", "refresh_token"},
        {"client_id", "grant_type", "refresh_token"},
    ],
}


class Described:
    """GitHub's description of the operations that we call."""

    def __init__(self) -> None:
        self.whole = json.loads(DESCRIPTION.read_text())
        self._schemas = _nullable(self.whole["components"])
        self._validators: dict[str, Any] = {}

    def example(self, name: str) -> Any:
        return copy.deepcopy(self.whole["components"]["examples"][name]["value"])

    def repository(self) -> Any:
        """A single one. GitHub's example lacks a field that its description asks for, in it and in its forks."""
        found = self.example("full-repository-default-response")
        for related in ("parent", "source", "template_repository"):
            found.pop(related)
        return {**found, "language": None}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, methods in self.whole["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in methods:
                found: dict[str, Any] = methods[method.lower()]
                return found
        return None

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        found: dict[str, Any] = self.whole["components"][kind][name]
        return found

    def wrong_request(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> list[str]:
        operation = self.operation(method, path)
        path = re.sub(r"/repos/.*", "/repos/…", re.sub(r"\d+", "…", path))
        if operation is None:
            return [f"{method} {path} is not described"]
        known = {each["name"]: each for each in map(self.resolved, operation["parameters"]) if each["in"] == "query"}
        found = []
        for name, values in query.items():
            if name not in known:
                found.append(f"{method} {path}: there is no parameter {name}")
                continue
            schema = known[name]["schema"]
            value: Any = int(values[0]) if schema.get("type") == "integer" else values[0]
            found += self._wrong(schema, value, f"{method} {path}?{name}")
        wanted = operation.get("requestBody")
        if (wanted is None) != (body is None):
            found.append(f"{method} {path}: a body is {'not ' if wanted is None else ''}expected")
        elif wanted is not None:
            schema = wanted["content"]["application/json"]["schema"]
            found += [f"{method} {path}: {name} is no field" for name in body if name not in schema["properties"]]
            found += self._wrong(schema, body, f"{method} {path} body")
        return found

    def wrong_answer(self, method: str, path: str, status: int, body: Any) -> list[str]:
        operation = self.operation(method, path)
        path = re.sub(r"/repos/.*", "/repos/…", re.sub(r"\d+", "…", path))
        if operation is None:
            return []
        if str(status) not in operation["responses"]:
            # 5xx, 429 and 401 are for every operation; they are in no list of a single one
            return [] if status >= 500 or status in (401, 429) else [f"{method} {path}: {status} is not described"]
        content = self.resolved(operation["responses"][str(status)]).get("content", {})
        return self._wrong(content["application/json"]["schema"], body, f"{method} {path} {status}") if content else []

    def _wrong(self, schema: Any, value: Any, where: str) -> list[str]:
        if where not in self._validators:
            whole = {**_nullable(schema), "components": self._schemas}
            self._validators[where] = jsonschema_rs.Draft4Validator(whole)
        errors = self._validators[where].iter_errors(value)
        return [f"{where}: {each.message[:300]} at {each.instance_path}" for each in errors]


@cache
def description() -> Described:
    """One for all tests: its validators take a while to make."""
    return Described()


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable`; JSON Schema has a type for it."""
    if isinstance(node, list):
        return [_nullable(each) for each in node]
    if not isinstance(node, dict):
        return node
    plainly = {key: _nullable(each) for key, each in node.items() if key != "nullable"}
    return {"anyOf": [{"type": "null"}, plainly]} if node.get("nullable") is True else plainly


class LoopbackGitHub:
    """`git` is where its repositories are; the newest token is the one that it lets in."""

    def __init__(self, git: GitServer, *, login: str = "ada", interval: int = 1) -> None:
        self.git, self.login, self.interval = git, login, interval
        self.described = description()
        self.violations: list[str] = []
        self.requests: list[tuple[str, str, int]] = []
        self.tokens: set[str] = set()
        self.issued: list[str] = []
        """Every token, code and verifier that went over the line: canaries."""
        self.repositories: dict[str, dict[str, Any]] = {}
        self.add_repository(git.path.removesuffix(".git"), private=True)
        self.may_create = True
        self.fault: tuple[int, dict[str, str], Any] | None = None
        """Status, headers and body of every answer of the API until it is None again."""
        self.device_answers: list[dict[str, Any]] = []
        """What is answered to the next questions of a device, before the truth is."""
        self.expires_in: int | None = 28_800
        self.refuse_refresh = False
        self._device: dict[str, str] = {}
        self._decision = "authorization_pending"
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: set[str] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler, self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api_url = f"{self.url}/api/v3"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> LoopbackGitHub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_repository(self, full_name: str, *, private: bool = True, push: bool = True) -> None:
        self.repositories[full_name] = {"private": private, "push": push}

    def pasted(self, token: str = "github_pat_11CANARY0fine0grained0token0of0ada") -> str:
        """A fine-grained token that somebody made by hand."""
        return self._issue(token)

    def revoke(self) -> None:
        self.tokens.clear()
        self.git.token = secrets.token_hex(20)

    # --- what it answers --------------------------------------------------------------------------------------------

    def page(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], str]:
        """What a person sees there."""
        if path == "/login/device":
            form = f'<form method="post"><input name="code" aria-label="Code">{_CHOICE}</form>'
            return 200, {}, form
        if path == "/login/oauth/authorize":
            wanted = {"client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}
            if set(query) != wanted or query["code_challenge_method"] != "S256" or query["client_id"] != CLIENT_ID:
                self.violations.append(f"authorize was asked with {sorted(query)}")
            hidden = "".join(
                f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
                for name, value in query.items()
            )
            return 200, {}, f'<form method="post">{hidden}{_CHOICE}</form>'
        return 404, {}, "nothing here"

    def decided(self, path: str, fields: dict[str, str]) -> tuple[int, dict[str, str], str]:
        """A person pressed a button on one of these pages."""
        allowed = fields.get("choice") == "allow"
        if path == "/login/device":
            if fields.get("code") != self._device.get("user_code"):
                return 200, {}, "this is no code"
            self._decision = "granted" if allowed else "access_denied"
            return 200, {}, "you can close this"
        answer = {"error": "access_denied", "error_description": "The user has denied your application access."}
        if allowed:
            code = self._canary("code_" + secrets.token_hex(10))
            self._codes[code] = fields
            answer = {"code": code}
        target = f"{fields['redirect_uri']}?{urlencode({**answer, 'state': fields['state']})}"
        return 302, {"Location": target}, ""

    def sign_in(self, path: str, fields: dict[str, str]) -> tuple[int, Any]:
        if set(fields) not in SIGN_IN[path]:
            self.violations.append(f"{path} was asked with {sorted(fields)}")
        if fields.get("client_id") != CLIENT_ID or fields.get("client_secret", CLIENT_SECRET) != CLIENT_SECRET:
            if path == "/login/device/code":
                return 404, {"error": "Not Found"}
            return 200, _error("incorrect_client_credentials")
        if path == "/login/device/code":
            return 200, self._new_device()
        if fields.get("grant_type") == DEVICE_GRANT:
            return 200, self._device_grant(fields["device_code"])
        if fields.get("grant_type") == "refresh_token":
            return 200, self._renewed(fields["refresh_token"])
        return 200, self._code_grant(fields)

    def _new_device(self) -> dict[str, Any]:
        code = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(8))
        self._device = {"user_code": f"{code[:4]}-{code[4:]}", "device_code": self._canary(secrets.token_hex(20))}
        self._decision = "authorization_pending"
        return {
            **self._device,
            "verification_uri": f"{self.url}/login/device",
            "expires_in": 899,
            "interval": self.interval,
        }

    def _device_grant(self, device_code: str) -> dict[str, Any]:
        if device_code != self._device.get("device_code"):
            return _error("incorrect_device_code")
        if self.device_answers:
            return self.device_answers.pop(0)
        if self._decision != "granted":
            return _error(self._decision)
        self._device = {}
        return self._granted("ghu_")

    def _code_grant(self, fields: dict[str, str]) -> dict[str, Any]:
        asked = self._codes.pop(fields["code"], None)
        if asked is None:
            return _error("bad_verification_code")
        made = base64.urlsafe_b64encode(hashlib.sha256(self._canary(fields["code_verifier"]).encode()).digest())
        if made.decode().rstrip("=") != asked["code_challenge"] or fields["redirect_uri"] != asked["redirect_uri"]:
            self.violations.append("the verifier or the address is not the one that the sign-in began with")
            return _error("bad_verification_code")
        return self._granted("gho_", expires=False)

    def _renewed(self, refresh: str) -> dict[str, Any]:
        if self.refuse_refresh or refresh not in self._refresh:
            return _error("bad_refresh_token")
        self._refresh.discard(refresh)
        return self._granted("ghu_")

    def _granted(self, prefix: str, *, expires: bool = True) -> dict[str, Any]:
        grant: dict[str, Any] = {
            "access_token": self._issue(prefix + secrets.token_hex(18)),
            "token_type": "bearer",
            "scope": "",
        }
        if expires and self.expires_in is not None:
            refresh = self._canary("ghr_" + secrets.token_hex(38))
            self._refresh.add(refresh)
            more = {"refresh_token": refresh, "refresh_token_expires_in": 15_897_600}
            grant |= {"expires_in": self.expires_in, **more}
        return grant

    def _issue(self, token: str) -> str:
        self.tokens.add(self._canary(token))
        self.git.token = token
        return token

    def _canary(self, value: str) -> str:
        self.issued.append(value)
        return value

    def api(
        self, method: str, path: str, query: dict[str, list[str]], headers: Any, body: Any
    ) -> tuple[int, dict[str, str], Any]:
        self.violations += self.described.wrong_request(method, path, query, body)
        for name in ("User-Agent", "X-GitHub-Api-Version", "Accept"):
            if not headers.get(name):
                self.violations.append(f"{method} {path} lacks {name}")
        if self.fault is not None:
            return self.fault
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return 401, {}, _message("Bad credentials", 401)
        return self._api(method, path, query, body, token)

    def _api(
        self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str
    ) -> tuple[int, dict[str, str], Any]:
        number, size = int(query.get("page", ["1"])[0]), int(query.get("per_page", ["30"])[0])
        if path == "/user":
            person = self.described.example("private-user-response-with-public-and-private-profile-information")
            fine = token.startswith("github_pat_")
            says = {"github-authentication-token-expiration": "2027-01-01 00:00:00 UTC"} if fine else {}
            return 200, says, {**person, "login": self.login}
        if (method, path) == ("POST", "/user/repos"):
            return self._create(body)
        if path == "/user/repos" and not token.startswith("ghu_"):
            return self._paged(path, number, size, lambda found: found)
        if path == "/user/installations" and token.startswith("ghu_"):
            found = self.described.example("base-installation-for-auth-user-paginated")
            return 200, {}, {**found, "installations": found["installations"][:1], "total_count": 1}
        if re.fullmatch(r"/user/installations/\d+/repositories", path) and token.startswith("ghu_"):
            total = len(self.repositories)
            return self._paged(path, number, size, lambda found: {"total_count": total, "repositories": found})
        if path.startswith("/repos/") and (full_name := path.removeprefix("/repos/")) in self.repositories:
            return 200, {}, self._shown(self.described.repository(), full_name)
        if path.startswith("/repos/"):
            return 404, {}, _message("Not Found", 404)
        return 403, {}, _message("Resource not accessible by integration", 403)

    def _paged(self, path: str, number: int, size: int, shape: Any) -> tuple[int, dict[str, str], Any]:
        names = list(self.repositories)[(number - 1) * size : number * size]
        items = [self._shown(self.described.example("repository-items-default-response")[0], name) for name in names]
        more = number * size < len(self.repositories)
        link = f'<{self.api_url}{path}?page={number + 1}>; rel="next"'
        return 200, ({"Link": link} if more else {}), shape(items)

    def _create(self, body: Any) -> tuple[int, dict[str, str], Any]:
        if not self.may_create:
            return 403, {}, _message("Resource not accessible by personal access token", 403)
        full_name = f"{self.login}/{body['name']}"
        if full_name in self.repositories:
            error = {"resource": "Repository", "code": "custom", "field": "name", "message": "name already exists"}
            return 422, {}, {**_message("Repository creation failed.", 422), "errors": [error]}
        self.add_repository(full_name, private=body["private"])
        self.git.path = f"{full_name}.git"
        self.git.repo = self.git.folder / "repos" / self.git.path
        plain("init", "--quiet", "--bare", "--initial-branch=main", str(self.git.repo))
        plain("-C", str(self.git.repo), "config", "http.receivepack", "true")
        return 201, {}, self._shown(self.described.repository(), full_name)

    def _shown(self, item: dict[str, Any], full_name: str) -> dict[str, Any]:
        facts = self.repositories[full_name]
        return {
            **item,
            "name": full_name.partition("/")[2],
            "full_name": full_name,
            "private": facts["private"],
            "visibility": "private" if facts["private"] else "public",
            "clone_url": f"https://127.0.0.1:{self.git.port}/{full_name}.git",
            "default_branch": "main",
            "archived": False,
            "permissions": {"admin": facts["push"], "push": facts["push"], "pull": True},
        }


_CHOICE = '<button name="choice" value="allow">Authorize</button> <button name="choice" value="deny">Cancel</button>'


def _error(name: str) -> dict[str, Any]:
    return {"error": name, "error_description": f"About {name}.", "error_uri": "https://docs.github.com/"}


def _message(text: str, status: int) -> dict[str, Any]:
    return {"message": text, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], ours: LoopbackGitHub) -> None:
        super().__init__(address, handler)
        self.ours = ours


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, raw: bytes) -> None:
        ours, parts = self.server.ours, urlsplit(self.path)
        query, path = parse_qs(parts.query), parts.path
        if path.startswith("/api/v3/"):
            path = path.removeprefix("/api/v3")
            body = json.loads(raw) if raw else None
            status, headers, answer = ours.api(self.command, path, query, self.headers, body)
            ours.violations += ours.described.wrong_answer(self.command, path, status, answer)
            self._answer(status, headers, json.dumps(answer), "application/json")
        elif self.command == "POST" and path in SIGN_IN:
            if self.headers.get("Accept") != "application/json":
                ours.violations.append(f"{path} was not asked for JSON")
            status, answer = ours.sign_in(path, {name: each[0] for name, each in parse_qs(raw.decode()).items()})
            self._answer(status, {}, json.dumps(answer), "application/json")
        elif self.command == "POST":
            status, headers, text = ours.decided(path, {name: each[0] for name, each in parse_qs(raw.decode()).items()})
            self._answer(status, headers, text, "text/html; charset=utf-8")
        else:
            status, headers, text = ours.page(path, {name: each[0] for name, each in query.items()})
            self._answer(status, headers, text, "text/html; charset=utf-8")

    def _answer(self, status: int, headers: dict[str, str], text: str, kind: str) -> None:
        self.server.ours.requests.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers, "Content-Length": str(len(text.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


def settings(github: LoopbackGitHub) -> dict[str, str]:
    """What config.toml says in an instance that knows this GitHub; without a client id."""
    return {
        "github_url": github.url,
        "github_api_url": github.api_url,
        "github_client_secret": CLIENT_SECRET,
        "ca_file": str(github.git.ca_file),
    }
