"""GitHub: the calls, what they are refused with, signing in, renewing, and what is stored of it."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from longhouse import secrets
from longhouse.app import create_app
from longhouse.errors import Invalid, LonghouseError
from longhouse.house import By, House
from longhouse.outward import Outward, api_of
from longhouse.repo import bootstrap, connecting, github_account, github_device, github_web, remote, sync
from longhouse.repo import github_refusals as refusals
from longhouse.repo.github import GitHub
from longhouse.repo.transport import network
from longhouse.vault import Secret
from tests.conftest import HandClock
from tests.git_server import GitServer, plain
from tests.github import CLIENT_ID, CLIENT_SECRET, LoopbackGitHub

ADA = By("owner", "web")


@pytest.fixture
def github(tmp_path: Path) -> Iterator[LoopbackGitHub]:
    with GitServer(tmp_path / "remote") as git, LoopbackGitHub(git) as found:
        yield found
        assert found.violations == []


@pytest.fixture
def known(house: House, github: LoopbackGitHub) -> House:
    """A house whose GitHub is the one on loopback."""
    outward = Outward(
        github.url, github.api_url, client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET), ca_file=github.git.ca_file
    )
    return replace(house, outward=outward, network=network({"SSL_CERT_FILE": str(github.git.ca_file)}))


@pytest.fixture
def there(known: House) -> House:
    """It has a jobs repo, too."""
    bootstrap.ensure(known.paths, known_commits=False)
    return known


def signed_in(house: House, github: LoopbackGitHub, clock: HandClock) -> None:
    device = github_device.begin(house, ADA)
    github.decided("/login/device", {"code": device.user_code, "choice": "allow"})
    clock.advance(device.interval)
    assert github_device.step(house) is None


# --- the description ------------------------------------------------------------------------------------------------


def test_control_the_description_sees_wrong_requests_and_answers(github: LoopbackGitHub) -> None:
    described = github.described
    repository = described.repository()
    assert described.wrong_answer("GET", "/repos/ada/jobs", 200, repository) == []
    assert described.wrong_answer("GET", "/repos/ada/jobs", 200, {**repository, "private": "yes"})
    del repository["clone_url"]
    assert described.wrong_answer("GET", "/repos/ada/jobs", 200, repository)
    assert described.wrong_answer("GET", "/repos/ada/jobs", 200, [])
    assert described.wrong_request("GET", "/user/repos", {"sort": ["size"]}, None)
    assert described.wrong_request("GET", "/user/repos", {"per-page": ["9"]}, None)
    assert described.wrong_request("POST", "/user/repos", {}, {"private": True})
    assert described.wrong_request("POST", "/user/repos", {}, {"name": "a", "secret": True})
    assert described.wrong_request("GET", "/user/keys", {}, None)
    assert described.wrong_request("GET", "/user/repos", {"per_page": ["9"], "page": ["1"]}, None) == []


# --- a token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["ada/jobs", "ada/jobs.git", "address"])
def test_verify_tells_what_a_token_may_and_save_and_sync_push(there: House, github: LoopbackGitHub, where: str) -> None:
    token = Secret(github.pasted())
    found = connecting.verify(there, github.git.url if where == "address" else where, token, ADA)

    assert (found.full_name, found.login, found.can_push, found.empty) == ("ada/jobs", "ada", True, True)
    assert (found.public, found.branch, found.token_ends) == (False, "main", "2027-01-01 00:00:00 UTC")
    assert remote.get(there) is None, "verify stores no connection"

    connecting.save(there, ADA, branch="", auto_push=True, pull_minutes=15)
    assert sync.sync(there, ADA).pushed == 1
    assert github.git.at("main") == sync.state(there).ours
    assert connecting.candidate(there) is None


def test_a_public_repository_and_a_token_that_may_only_read_are_said(there: House, github: LoopbackGitHub) -> None:
    github.add_repository("ada/jobs", private=False)
    plain("-C", str(github.git.repo), "config", "http.receivepack", "false")
    found = connecting.verify(there, "ada/jobs", Secret(github.pasted()), ADA)
    assert found.public and not found.can_push


def test_another_host_needs_no_github(there: House, github: LoopbackGitHub) -> None:
    elsewhere = replace(there, outward=Outward())
    found = connecting.verify(elsewhere, github.git.url, Secret(github.pasted()), ADA)
    assert (found.full_name, found.login, found.can_push) == ("", "", True)
    assert github.requests == []


@pytest.mark.parametrize("where", ["", "jobs", "http://127.0.0.1/ada/jobs", "git@github.com:ada/jobs", "ssh://h/a/b"])
def test_what_is_no_repository_is_refused(known: House, where: str) -> None:
    with pytest.raises(Invalid):
        connecting.verify(known, where, Secret("github_pat_0"), ADA)


def test_nothing_is_saved_that_was_not_verified_within_the_hour(
    there: House, github: LoopbackGitHub, clock: HandClock
) -> None:
    connecting.verify(there, "ada/jobs", Secret(github.pasted()), ADA)
    clock.advance(3601)
    with pytest.raises(connecting.NothingVerified):
        connecting.save(there, ADA, branch="main", auto_push=True, pull_minutes=None)


def test_settings_change_and_disconnect_forgets(there: House, github: LoopbackGitHub) -> None:
    connecting.verify(there, "ada/jobs", Secret(github.pasted()), ADA)
    connecting.save(there, ADA, branch="main", auto_push=True, pull_minutes=15)
    changed = connecting.change(there, ADA, branch="copy", auto_push=False, pull_minutes=None)
    assert (changed.branch, changed.auto_push, changed.pull_minutes) == ("copy", False, None)
    assert remote.get(there) == changed
    connecting.disconnect(there, ADA)
    assert remote.get(there) is None
    with there.db.read() as db:
        assert secrets.opened(there, db, "github", "account") is None


# --- refusals -------------------------------------------------------------------------------------------------------

NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


def message(text: str) -> dict[str, str]:
    return {"message": text}


REFUSALS: list[tuple[str, int, dict[str, str], Any, str, str]] = [
    ("401", 401, {}, message("Bad credentials"), "github.bad_credentials", "does not accept the token"),
    (
        "403",
        403,
        {},
        message("Resource not accessible by personal access token"),
        "github.forbidden",
        "may not do this",
    ),
    (
        "sso",
        403,
        {"X-GitHub-SSO": "required; url=https://127.0.0.1/orgs/acme/sso?authorization_request=A1"},
        message("Resource protected by organization SAML enforcement."),
        "github.sso_required",
        "single sign-on",
    ),
    ("404", 404, {}, message("Not Found"), "github.not_found", "knows nothing of the repository ada/jobs"),
    (
        "rate limit",
        403,
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1770195600"},
        message("API rate limit exceeded"),
        "github.rate_limited",
        "not before 2026-02-04T09:00:00",
    ),
    ("secondary", 429, {"Retry-After": "61"}, message("slow"), "github.rate_limited", "not before 61 s from now"),
    ("500", 500, {}, message("Server Error"), "github.down", "an error of its own (500)"),
    ("503", 503, {}, None, "github.down", "an error of its own (503)"),
    ("301", 301, {"Location": "https://evil.example/"}, message("Moved"), "github.unexpected", "redirection"),
    ("418", 418, {}, message("teapot"), "github.unexpected", "status 418: teapot"),
]


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "text"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_every_refusal_has_its_own_text(status: int, headers: dict[str, str], body: Any, code: str, text: str) -> None:
    found = refusals.refused(
        status, {k.lower(): v for k, v in headers.items()}, body, "the repository ada/jobs", "127.0.0.1"
    )
    assert (found.code, text in found.message) == (code, True), found.message
    assert found.hint


def test_no_two_refusals_say_the_same() -> None:
    said = {
        refusals.refused(status, {k.lower(): v for k, v in headers.items()}, body, "it", "host").message
        for _, status, headers, body, _, _ in REFUSALS
    } | {sentence for sentence, _ in refusals.SIGN_IN.values()}
    assert len(said) == len(REFUSALS) + len(refusals.SIGN_IN)


def test_a_refusal_over_the_line_is_the_same_and_names_no_token(known: House, github: LoopbackGitHub) -> None:
    github.fault = (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1770195600"}, message("rate limit"))
    token = github.pasted()
    with pytest.raises(refusals.RateLimited) as refused:
        connecting.verify(known, "ada/jobs", Secret(token), ADA)
    assert refused.value.facts["resets_at"].startswith("2026-02-04T09:00:00")
    assert token not in f"{refused.value!r} {refused.value.hint} {refused.value.facts}"


def test_the_link_of_a_single_sign_on_leads_to_github_alone() -> None:
    headers = {"x-github-sso": "required; url=https://evil.example/sso"}
    found = refusals.refused(403, headers, None, "it", "github.com")
    assert isinstance(found, refusals.SsoRequired)
    assert found.facts["url"] == ""
    assert "evil" not in found.hint


def raised(outward: Outward) -> LonghouseError:
    with pytest.raises(LonghouseError) as refused:
        GitHub(outward, Secret("github_pat_canary0123456789")).user()
    assert "canary" not in str(refused.value) + refused.value.hint
    assert refused.value.__cause__ is None
    return refused.value


class Odd:
    """A server that answers every request with these bytes, and then hangs up."""

    def __init__(self, raw: bytes, context: ssl.SSLContext | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Outward:
        return Outward(self.url, self.url)

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


def test_a_network_that_fails_has_a_text_for_each_way(github: LoopbackGitHub) -> None:
    nobody = Outward("http://127.0.0.1:9", "http://127.0.0.1:9")
    assert "cannot be reached" in raised(nobody).message
    with Odd(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{") as cut:
        assert "cut off" in raised(cut).message
    with Odd(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>a proxy's page") as page:
        assert "no JSON" in raised(page).message
    with Odd(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" + b"1," * 5_000_000 + b"1]") as endless:
        assert "more than" in raised(endless).message
    with Odd(b"", github.git.context) as strange:
        assert "certificate" in raised(strange).message


def test_a_repository_on_another_host_is_not_shown_the_token(known: House, github: LoopbackGitHub) -> None:
    elsewhere = replace(
        known, outward=replace(known.outward, github_url="https://github.com", github_api=github.api_url)
    )
    with pytest.raises(refusals.GitHubFailed, match="another host"):
        GitHub(elsewhere.outward, Secret(github.pasted())).repository("ada/jobs")


def test_where_the_api_of_a_github_is() -> None:
    assert api_of("https://github.com") == "https://api.github.com"
    assert api_of("https://acme.ghe.com") == "https://api.acme.ghe.com"
    assert api_of("https://git.example.org") == "https://git.example.org/api/v3"


# --- with a code ----------------------------------------------------------------------------------------------------


def test_a_device_signs_in_waits_as_told_and_chooses(there: House, github: LoopbackGitHub, clock: HandClock) -> None:
    github.interval = 5
    device = github_device.begin(there, ADA)
    assert github_device.step(there) == 5.0, "not before the interval"
    clock.advance(5)
    assert github_device.step(there) == 5.0
    github.device_answers = [{"error": "slow_down", "interval": 11}, {"error": "slow_down"}]
    clock.advance(5)
    assert github_device.step(there) == 11.0
    asked = len(github.requests)
    clock.advance(10)
    assert github_device.step(there) == 1.0
    assert len(github.requests) == asked, "slower: no question before its time"
    clock.advance(1)
    assert github_device.step(there) == 16.0, "five more when GitHub does not say"
    github.decided("/login/device", {"code": device.user_code, "choice": "allow"})
    clock.advance(16)
    assert github_device.step(there) is None

    account = github_account.get(there)
    assert account is not None and account.login == "ada"
    assert github_device.get(there) is None
    found, more = connecting.repositories(there)
    assert [each.full_name for each in found] == ["ada/jobs"] and not more
    connecting.choose(there, "ada/jobs", ADA)
    connecting.save(there, ADA, branch="main", auto_push=True, pull_minutes=None)
    assert sync.sync(there, ADA).pushed == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("expired_token", "not entered in time"),
        ("access_denied", "cancelled at GitHub"),
        ("device_flow_disabled", "does not allow signing in with a code"),
        ("incorrect_client_credentials", "does not know the client id"),
        ("incorrect_device_code", "does not know the code"),
        ("unsupported_grant_type", "does not know how to sign in with a code"),
        ("something_new", "About something_new"),
    ],
)
def test_each_end_of_a_code_has_its_own_text(
    known: House, github: LoopbackGitHub, clock: HandClock, answer: str, text: str
) -> None:
    github_device.begin(known, ADA)
    github.device_answers = [{"error": answer, "error_description": f"About {answer}."}]
    clock.advance(1)
    assert github_device.step(known) is None
    device = github_device.get(known)
    assert device is not None and device.ended
    assert text in device.sentence and device.hint
    clock.advance(60)
    assert github_device.step(known) is None
    assert sum(path == "/login/oauth/access_token" for _, path, _ in github.requests) == 1, "it is asked no more"


def test_a_code_that_nobody_types_ends_by_itself(known: House, github: LoopbackGitHub, clock: HandClock) -> None:
    github_device.begin(known, ADA)
    clock.advance(900)
    assert github_device.step(known) is None
    device = github_device.get(known)
    assert device is not None and "not entered in time" in device.sentence
    assert github_device.cancel(known)
    assert github_device.get(known) is None


def test_a_network_that_fails_meanwhile_ends_nothing(known: House, github: LoopbackGitHub, clock: HandClock) -> None:
    device = github_device.begin(known, ADA)
    away = replace(known, outward=replace(known.outward, github_url="http://127.0.0.1:9"))
    clock.advance(1)
    assert github_device.step(away) == 1.0
    waiting = github_device.get(known)
    assert waiting is not None and "cannot be reached" in waiting.waiting and not waiting.ended
    github.decided("/login/device", {"code": device.user_code, "choice": "allow"})
    clock.advance(1)
    assert github_device.step(known) is None
    assert github_account.get(known) is not None


def test_a_client_id_is_needed_kept_and_checked(known: House, github: LoopbackGitHub) -> None:
    bare = replace(known, outward=replace(known.outward, client_id=""))
    with pytest.raises(Invalid, match="client id"):
        github_device.begin(bare, ADA)
    with pytest.raises(refusals.SignInRefused, match="does not know the client id"):
        github_device.begin(bare, ADA, "Iv1.wrong")
    assert github_device.client_id(bare) == ""
    github_device.begin(bare, ADA, CLIENT_ID)
    assert github_device.client_id(bare) == CLIENT_ID


# --- back to our address --------------------------------------------------------------------------------------------


def begun(house: House, github: LoopbackGitHub, session: str = "session-1") -> dict[str, str]:
    """What GitHub sends the browser back with."""
    address = github_web.begin(house, session, "http://localhost:4747/", ADA)
    query = dict(re.findall(r"[?&](\w+)=([^&]+)", address.replace("%3A", ":").replace("%2F", "/")))
    status, headers, _ = github.decided("/login/oauth/authorize", {**query, "choice": "allow"})
    assert status == 302
    return dict(re.findall(r"[?&](\w+)=([^&]+)", headers["Location"]))


def test_the_answer_is_good_once_for_its_session_and_ten_minutes(
    known: House, github: LoopbackGitHub, clock: HandClock
) -> None:
    back = begun(known, github)
    with pytest.raises(github_web.StateRefused, match="belongs to no sign-in"):
        github_web.finish(known, "session-1", "another-state", back["code"], "", ADA)
    github_web.finish(known, "session-1", back["state"], back["code"], "", ADA)
    account = github_account.get(known)
    assert account is not None and (account.login, account.expires_at) == ("ada", None)
    with pytest.raises(github_web.StateRefused, match="a second time"):
        github_web.finish(known, "session-1", back["state"], back["code"], "", ADA)

    back = begun(known, github)
    with pytest.raises(github_web.StateRefused, match="another browser"):
        github_web.finish(known, "session-2", back["state"], back["code"], "", ADA)
    with pytest.raises(github_web.StateRefused):
        github_web.finish(known, "session-1", back["state"], back["code"], "", ADA)

    back = begun(known, github)
    clock.advance(601)
    with pytest.raises(github_web.StateRefused, match="ten minutes"):
        github_web.finish(known, "session-1", back["state"], back["code"], "", ADA)

    back = begun(known, github)
    with pytest.raises(refusals.SignInRefused, match="cancelled at GitHub"):
        github_web.finish(known, "session-1", back["state"], "", "access_denied", ADA)


def test_a_stranger_who_comes_back_gets_nothing_and_uses_the_state_up(known: House, github: LoopbackGitHub) -> None:
    back = begun(known, github)
    stranger = TestClient(create_app(known, testing=True), base_url="http://localhost:4747", follow_redirects=False)
    answer = stranger.get(github_web.CALLBACK, params=back)
    assert answer.status_code == 403 and "another browser or session" in answer.text
    assert back["code"] not in answer.text and "location" not in answer.headers
    assert stranger.post(github_web.CALLBACK, params=back).status_code in (401, 403)
    assert stranger.get("/connect").status_code == 401
    with pytest.raises(github_web.StateRefused):
        github_web.finish(known, "session-1", back["state"], back["code"], "", ADA)
    assert github_account.get(known) is None
    assert not any(path == "/login/oauth/access_token" for _, path, _ in github.requests)


def test_without_a_secret_there_is_no_such_way(known: House) -> None:
    bare = replace(known, outward=replace(known.outward, client_secret=None))
    assert not github_web.possible(bare)
    with pytest.raises(Invalid, match="github_client_secret"):
        github_web.begin(bare, "session-1", "http://localhost/", ADA)


# --- choosing -------------------------------------------------------------------------------------------------------


def test_the_picker_pages_filters_and_makes(there: House, github: LoopbackGitHub, clock: HandClock) -> None:
    for number in range(104):
        github.add_repository(f"acme/part-{number:03}", push=number % 10 != 0)
    signed_in(there, github, clock)
    first, more = connecting.repositories(there, 1)
    last, end = connecting.repositories(there, 2)
    assert (len(first), more, len(last), end) == (90, True, 4, False)
    found, _ = connecting.repositories(there, 1, "PART-10")
    assert [each.full_name for each in found] == [f"acme/part-10{n}" for n in range(1, 4)]

    made = connecting.make(there, "night-shift", ADA)
    assert (made.full_name, made.public, made.empty, made.can_push) == ("ada/night-shift", False, True, True)
    with pytest.raises(Invalid, match="name already exists"):
        connecting.make(there, "night-shift", ADA)
    github.may_create = False
    with pytest.raises(refusals.Forbidden, match="not accessible"):
        connecting.make(there, "day-shift", ADA)
    with pytest.raises(Invalid, match="letters, digits"):
        connecting.make(there, "../x", ADA)


# --- renewing -------------------------------------------------------------------------------------------------------


def test_a_token_is_renewed_before_use_and_a_refusal_says_reconnect(
    there: House, github: LoopbackGitHub, clock: HandClock
) -> None:
    signed_in(there, github, clock)
    connecting.choose(there, "ada/jobs", ADA)
    connecting.save(there, ADA, branch="main", auto_push=True, pull_minutes=None)
    sync.sync(there, ADA)
    first = github_account.fresh(there).reveal()
    clock.advance(28_800 - 599)
    sync.sync(there, ADA)
    second = github_account.fresh(there).reveal()
    assert second != first and github.git.token == second

    clock.advance(28_800 + 1)
    away = replace(there, outward=replace(there.outward, github_url="http://127.0.0.1:9"))
    with pytest.raises(refusals.Unreachable):
        sync.sync(away, ADA)
    github.refuse_refresh = True
    with pytest.raises(refusals.Reconnect, match="does not renew") as refused:
        sync.sync(there, ADA)
    assert "Reconnect GitHub" in refused.value.hint
    state = sync.state(there)
    assert state.last_error is not None and state.last_error.code == "github.reconnect"
    asked = len(github.requests)
    with pytest.raises(refusals.Reconnect):
        github_account.fresh(there)
    assert len(github.requests) == asked, "what is lost is not asked again"
    signed_in(there, github, clock)
    assert github_account.fresh(there).reveal() == github.git.token


def test_a_token_that_still_lasts_is_used_while_github_is_away(
    known: House, github: LoopbackGitHub, clock: HandClock
) -> None:
    signed_in(known, github, clock)
    away = replace(known, outward=replace(known.outward, github_url="http://127.0.0.1:9"))
    clock.advance(28_800 - 300)
    assert github_account.fresh(away).reveal() == github.git.token


# --- what is stored -------------------------------------------------------------------------------------------------


def test_a_dump_of_the_database_shows_no_token_and_no_remote(
    there: House, github: LoopbackGitHub, clock: HandClock
) -> None:
    device = github_device.begin(there, ADA, CLIENT_ID)
    connecting.verify(there, "ada/jobs", Secret(github.pasted()), ADA)
    begun(there, github)
    looked_at = dumped(there)
    signed_in(there, github, clock)
    connecting.choose(there, "ada/jobs", ADA)
    connecting.save(there, ADA, branch="our-branch", auto_push=True, pull_minutes=17)
    sync.sync(there, ADA)
    github.revoke()
    with pytest.raises(LonghouseError):
        sync.sync(there, ADA)
    looked_at += dumped(there)
    assert len(github.issued) >= 6
    sealed = [*github.issued, device.user_code, CLIENT_ID, CLIENT_SECRET, "ada/jobs", "our-branch", github.git.url]
    shown = [text for text in sealed if text.encode() in looked_at]
    assert shown == []
    assert b"github.sign_in" in looked_at, "control: what is not sealed is seen"

    hidden = secrets.masker(there).mask(("\n".join(github.issued[-2:])).encode())
    assert not any(each.encode() in hidden for each in github.issued[-2:])


def dumped(house: House) -> bytes:
    """Database, log, and every row as JSON."""
    paths = [house.paths.database, Path(f"{house.paths.database}-wal")]
    with house.db.read() as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [json.dumps(list(row), default=str) for each in tables for row in db.execute(f'SELECT * FROM "{each}"')]
    return b"".join(path.read_bytes() for path in paths if path.exists()) + "\n".join(rows).encode()
