"""The jobs repo and its remote: a real git server over https, and what may never happen between the two."""

from __future__ import annotations

import hashlib
import hmac
import subprocess

import pytest

from longhouse import loading
from longhouse.doctor import report
from longhouse.edits import mass_removal
from longhouse.engine.syncer import Syncer, wait
from longhouse.errors import Invalid
from longhouse.house import By
from longhouse.repo import bootstrap, divergence, incoming, panel, remote, sync, transport
from longhouse.repo.incoming import Entry, problems
from longhouse.repo.leaks import SecretInFile
from longhouse.repo.refusals import SyncFailed
from longhouse.repo.transport import network
from longhouse.vault import Secret
from tests.git_server import GitServer, plain

ANN = By("ann", "cli")
MANIFEST = "from zerg.jobs import JobConfig, job_registry\nfrom jobs.all import run\n"
JOB = "job_registry.register(JobConfig(id={id!r}, func=run))\n"
RUN = "def run():\n    pass\n"


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "server") as found:
        yield found


@pytest.fixture
def local(house):
    """A jobs repo with a commit that has loaded."""
    house.paths.work.mkdir(exist_ok=True)
    bootstrap.ensure(house.paths, known_commits=False)
    loading.settle(house)
    return bootstrap.opened(house.paths)


@pytest.fixture
def connected(house, local, server):
    """…and a remote that has it."""
    connect(house, server)
    sync.sync(house, ANN)
    return local


def connect(house, server, **settings):
    house.network["GIT_SSL_CAINFO"] = str(server.ca_file)
    remote.save(house, server.url, Secret(server.token), ANN, **settings)


def write(house, path, text):
    target = house.paths.tree / path
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)


def test_a_first_sync_fills_an_empty_remote_and_both_sides_follow_each_other(house, local, server):
    connect(house, server)
    found = sync.verify(house, server.url, Secret(server.token))
    assert (found.reachable, found.can_push, found.empty) == (True, True, True)
    assert sync.sync(house, ANN).pushed == 1
    assert server.at() == local.head().commit

    write(house, "jobs/mine.py", "x = 1\n")
    done = sync.sync(house, ANN)  # the edit is committed first
    assert (done.pushed, done.pulled) == (1, 0) and server.text("jobs/mine.py") == "x = 1\n"

    theirs = server.commit({"jobs/theirs.py": "y = 2\n"})
    done = sync.sync(house, ANN)
    assert (done.pushed, done.pulled, done.state.state) == (0, 1, "synced")
    assert local.head().commit == theirs and (house.paths.tree / "jobs/theirs.py").read_text() == "y = 2\n"
    assert sync.sync(house, ANN) == sync.Synced(0, 0, sync.state(house))
    assert panel.status(house).dirty is False


def test_the_remotes_settings_and_token_are_in_no_file(house, connected, server):
    assert remote.get(house).url == server.url and remote.token(house).reveal() == server.token
    for file in house.paths.data.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert server.token.encode() not in data, file
            assert f"127.0.0.1:{server.port}".encode() not in data, file


def test_what_a_remote_holds_before_anything_came_from_it_waits_for_a_yes(house, local, server):
    connect(house, server)
    sync.sync(house, ANN)
    remote.forget(house, ANN)
    theirs = server.commit({"jobs/new.py": "x = 1\n"})
    connect(house, server)
    done = sync.sync(house, ANN)
    assert done.state.state == "held" and done.state.held.reason == "first"
    assert not (house.paths.tree / "jobs/new.py").exists()
    assert any(check.name == "sync" and check.status == "warning" for check in report(house))
    done = sync.resolve(house, ANN, "accept", seen=theirs)
    assert done.state.state == "synced" and local.head().commit == theirs


def test_a_manifest_that_does_not_load_stays_outside_with_its_line_and_may_be_taken_all_the_same(
    house, connected, server
):
    before = connected.head().commit
    theirs = server.commit({"manifest.py": "x = (\n"})
    held = sync.sync(house, ANN).state.held
    assert held.reason == "broken" and "manifest.py:1" in held.sentence
    assert connected.head().commit == before
    assert sync.resolve(house, ANN, "accept", seen=theirs).state.state == "synced"
    assert connected.head().commit == theirs


def test_many_jobs_do_not_go_without_a_yes(house, connected, server):
    write(house, "jobs/all.py", RUN)
    write(house, "manifest.py", MANIFEST + "".join(JOB.format(id=f"job-{n}") for n in range(5)))
    sync.sync(house, ANN)
    theirs = server.commit({"manifest.py": MANIFEST + JOB.format(id="job-0")})
    held = sync.sync(house, ANN).state.held
    assert held.reason == "removal" and "4 jobs" in held.sentence
    assert sync.resolve(house, ANN, "accept", seen=theirs).state.state == "synced"


def test_a_yes_is_for_the_commit_that_was_seen(house, connected, server):
    seen = server.commit({"manifest.py": "x = (\n"})
    sync.sync(house, ANN)
    server.commit({"manifest.py": "y = (\n"})
    sync.sync(house, ANN)
    with pytest.raises(sync.Moved):
        sync.resolve(house, ANN, "accept", seen=seen)


@pytest.mark.parametrize(
    ("mode", "path", "size", "why"),
    [
        ("120000", "jobs/link", 5, "a link"),
        ("160000", "vendor", 0, "submodule"),
        ("100644", "jobs/big.py", incoming.LARGEST + 1, "bytes"),
        ("100644", "a/.git/config", 5, "something else"),
        ("100644", "a/.GIT/hooks/x", 5, "something else"),
        ("100644", "a/GIT~1/x", 5, "something else"),
        ("100644", "a/.git /x", 5, "something else"),
        ("100644", "a/.g\u200cit/x", 5, "something else"),
        ("100644", "a/.git::$INDEX_ALLOCATION/x", 5, "something else"),
        ("100644", "../x", 5, "something else"),
        ("100644", "a/../x", 5, "something else"),
        ("100644", "a//x", 5, "something else"),
        ("100644", "/etc/x", 5, "no plain path"),
        ("100644", "a\\b", 5, "no plain path"),
        ("100644", "a\nb", 5, "no plain path"),
        ("100644", "Manifest.py", 5, "differ only"),
        ("100644", "JOBS/x.py", 5, "differ only"),
    ],
)
def test_what_is_odd_is_not_taken(mode, path, size, why):
    ours = [Entry("100644", "a" * 40, 5, "manifest.py"), Entry("100644", "b" * 40, 5, "jobs/a.py")]
    fine = Entry("100644", "d" * 40, 5, "jobs/.gitignore")
    assert problems([*ours, fine], ours) == []
    odd = Entry(mode, "c" * 40, size, path)
    found = problems([*ours, odd], ours)
    assert len(found) == 1 and why in found[0]
    assert problems([*ours, odd], [*ours, odd]) == []  # what we have ourselves is not looked at again


def test_a_link_from_the_remote_is_held_and_cannot_be_taken(house, connected, server):
    work = server.folder / "work"
    server.commit({"jobs/x.py": "1\n"})
    (work / "jobs/passwd").symlink_to("/etc/passwd")
    server.commit({})
    state = sync.sync(house, ANN).state
    assert (state.state, state.held.reason, state.choices) == ("held", "unsafe", ())
    assert "jobs/passwd is a link" in state.held.sentence
    with pytest.raises(sync.Moved):
        sync.resolve(house, ANN, "accept")
    assert not (house.paths.tree / "jobs/passwd").exists()


def test_a_token_in_a_file_goes_neither_in_nor_out(house, connected, server):
    leaked = "ghp_" + "a1B2" * 9
    server.commit({"jobs/leak.py": f"T = '{leaked}'\n"})
    state = sync.sync(house, ANN).state
    assert state.held.reason == "unsafe" and "jobs/leak.py:1" in state.held.sentence
    server.commit({"jobs/leak.py": None})
    assert sync.sync(house, ANN).state.state == "synced"

    write(house, "jobs/own.py", f"T = '{leaked}'\n")
    plain("-C", str(house.paths.tree), "add", "--all")
    plain("-C", str(house.paths.tree), "commit", "--no-verify", "-m", "oh")
    with pytest.raises(SecretInFile, match=r"jobs/own.py:1 holds"):
        sync.sync(house, ANN)
    assert sync.state(house).last_error.code == "repo.secret_in_file"


@pytest.fixture
def by_hand(house, connected):
    """A person's own commit, which passes no check of ours."""

    def commit(**files):
        for name, data in files.items():
            (house.paths.tree / "jobs" / name).write_bytes(data)
        plain("-C", str(house.paths.tree), "add", "--all")
        plain("-C", str(house.paths.tree), "commit", "--no-verify", "-m", "by hand")

    return commit


LEAKED = b"ghp_" + b"a1B2" * 9


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"\0\1\2\n" + LEAKED + b"\0", 2), (b"++ " + LEAKED + b"\n", 1), (b"+\n@@ -1 +1 @@\n" + LEAKED + b"\n", 3)],
    ids=["binary", "like a diff's head", "like a hunk"],
)
def test_a_token_is_found_in_whatever_a_commit_adds(house, by_hand, server, data, line):
    by_hand(odd=data)
    before = server.at()
    with pytest.raises(SecretInFile, match=rf"jobs/odd:{line} holds"):
        sync.sync(house, ANN)
    assert server.at() == before


def test_a_long_history_is_looked_through_commit_by_commit(house, by_hand, server, monkeypatch):
    monkeypatch.setattr(incoming, "MOST_DIFF", 3000)
    for number in range(4):
        by_hand(**{f"n{number}": b"x = 1\n" * 200})
    assert sync.sync(house, ANN).pushed == 4
    for number in range(4):
        by_hand(**{f"n{number}": b"y = 1\n" * 200 + (LEAKED if number == 1 else b"")})
    with pytest.raises(SecretInFile, match=r"jobs/n1:201 holds"):
        sync.sync(house, ANN)


def test_what_is_too_large_to_be_looked_through_goes_neither_in_nor_out(house, by_hand, server, monkeypatch):
    monkeypatch.setattr(incoming, "MOST_DIFF", 3000)
    before = server.at()
    by_hand(large=b"x = 1\n" * 2000)
    with pytest.raises(incoming.NotLookedThrough, match="is not pushed"):
        sync.sync(house, ANN)
    assert server.at() == before and sync.state(house).last_error.code == "sync.not_looked_through"
    monkeypatch.setattr(incoming, "MOST_DIFF", 10**6)
    sync.sync(house, ANN)
    server.commit({"jobs/theirs.py": "x = 1\n"})
    monkeypatch.setattr(incoming, "MOST_LISTED", 100)
    with pytest.raises(incoming.NotLookedThrough, match="is not taken"):
        sync.sync(house, ANN)
    assert not (house.paths.tree / "jobs/theirs.py").exists()


def test_a_file_in_no_commit_is_not_overwritten(house, connected, server):
    write(house, "jobs/.gitignore", "kept.py\n")
    sync.sync(house, ANN)
    write(house, "jobs/kept.py", "mine\n")
    server.commit({"jobs/kept.py": "theirs\n"})
    with pytest.raises(divergence.InTheWay):
        sync.sync(house, ANN)
    assert (house.paths.tree / "jobs/kept.py").read_text() == "mine\n"


def test_an_address_with_a_password_and_other_nonsense_is_refused_without_repeating_it(house, local):
    for url in (
        *("https://ada:canary-4711@git.example/x", "http://git.example/x", "ssh://git.example/x", "git.example/x"),
        *("https://git.example", "https://git.example/../x", "ext::sh", "https://-x/y", "https://git.example/x?y=z"),
        *("https://git.example/x\n", "https://git.example/canary-4711", "https://a b/x", "--upload-pack=x"),
    ):
        with pytest.raises(Invalid) as refused:
            remote.checked(url, Secret("canary-4711"), "main")
        assert "canary" not in str(refused.value.facts) + refused.value.message
    for branch in ("-x", "a..b", "", "a b", "a.lock", "a\n"):
        with pytest.raises(Invalid):
            remote.checked("https://git.example/x", Secret("canary-4711"), branch)
    with pytest.raises(Invalid):
        remote.checked("https://git.example/x", Secret("two words"), "main")


def test_the_password_is_given_to_the_one_host_only(house, connected, server):
    """Control: the same script answers the question of the right host."""
    git = bootstrap.opened(house.paths)
    where = remote.get(house)
    with transport._folder(git, where, Secret(server.token)) as folder:
        asked = [str(folder / "ask"), f"Password for 'https://{where.user}@{where.host}': "]
        assert subprocess.run(asked, capture_output=True, text=True).stdout == server.token
        for host in ("evil.example", f"{where.host}.evil.example", "127.0.0.1"):
            other = [str(folder / "ask"), f"Password for 'https://{where.user}@{host}': "]
            done = subprocess.run(other, capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (1, "")
        assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
    assert list(git.home.glob("ask-*")) == []


def test_folders_that_a_killed_server_left_are_swept(house, local):
    left = local.home / "ask-old"
    left.mkdir(parents=True)
    (left / "token").write_text("x")
    assert transport.sweep(local) == 0
    Syncer(house).step()
    assert not left.exists()


def test_a_signed_webhook_asks_for_a_sync_and_no_other(house, connected, server, client, anonymous):
    secret = client.post("/api/jobs/repo/webhook").json()["secret"]
    theirs = server.commit({"jobs/pushed.py": "x = 1\n"})
    body = b'{"ref": "refs/heads/main"}'
    made = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    syncer = Syncer(house)
    syncer._tried_at = house.clock.monotonic() - 60
    del anonymous.headers["Authorization"]
    for signature in (None, "", "sha256=", made[:-1] + ("0" if made[-1] != "0" else "1"), made.upper()):
        headers = {} if signature is None else {"X-Hub-Signature-256": signature}
        answer = anonymous.post(
            "/api/hooks/repo", content=body, headers={"Content-Type": "application/json", **headers}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "hook.refused")
    assert syncer.step() is None and connected.head().commit != theirs
    answer = anonymous.post("/api/hooks/repo", content=body, headers={"X-Hub-Signature-256": made})
    assert answer.status_code == 202
    syncer.step()
    assert connected.head().commit == theirs


def test_every_commit_is_pushed_by_itself_and_a_failing_remote_is_asked_less_and_less(house, connected, server, clock):
    syncer = Syncer(house)
    write(house, "jobs/a.py", "x = 1\n")
    loading.settle(house)
    assert syncer.step() is None and server.at() == connected.head().commit
    server.fault = "500"
    write(house, "jobs/a.py", "x = 2\n")
    loading.settle(house)
    clock.advance(10)
    assert syncer.step() == 30
    server.fault = "429"
    clock.advance(31)
    assert syncer.step() == 120  # the remote's own wish is more than our 60
    server.fault = None
    clock.advance(60)
    assert syncer.step() == 60 and server.at() != connected.head().commit
    clock.advance(61)
    assert syncer.step() is None and server.at() == connected.head().commit
    assert [wait(n) for n in (1, 2, 3, 50)] == [30, 60, 120, 1800]


def test_pulled_every_so_many_minutes(house, local, server, clock):
    connect(house, server, auto_push=False, pull_minutes=5)
    syncer = Syncer(house)
    assert syncer.step() == 300
    theirs = server.commit({"jobs/x.py": "1\n"})
    clock.advance(200)
    assert syncer.step() == 100 and local.head().commit != theirs
    clock.advance(101)
    syncer.step()
    assert local.head().commit == theirs


def test_over_the_api_the_stored_token_goes_to_its_host_alone(house, local, server, client):
    house.network["GIT_SSL_CAINFO"] = str(server.ca_file)
    wanted = {"url": server.url, "token": server.token}
    assert client.get("/api/jobs/repo/remote").json()["code"] == "sync.not_connected"
    assert client.post("/api/jobs/repo/verify", json=wanted).json() == {
        "reachable": True,
        "can_push": True,
        "default_branch": None,
        "empty": True,
    }
    made = client.put("/api/jobs/repo/remote", json=wanted)
    assert made.status_code == 200 and made.json()["sync"]["state"] == "never" and server.token not in made.text
    assert client.post("/api/jobs/repo/sync").json()["sync"]["state"] == "synced"
    assert client.put("/api/jobs/repo/remote", json={"url": server.url, "pull_minutes": 9}).status_code == 200
    elsewhere = client.put("/api/jobs/repo/remote", json={"url": "https://evil.example/x"})
    assert elsewhere.status_code == 422 and elsewhere.json()["errors"][0]["pointer"] == "/token"
    shown = client.get("/api/jobs/repo").json()
    assert shown["remote"] == server.url and shown["last_sync_error"] is None
    figures = client.get("/metrics").text
    assert "longhouse_sync_ok 1.0" in figures and "longhouse_sync_ahead 0.0" in figures
    assert client.delete("/api/jobs/repo/remote").json() == {"connected": False}
    assert client.get("/api/jobs/repo").json()["sync"]["state"] == "none"


def test_a_token_that_may_only_read_is_found_when_it_is_verified(house, connected, server):
    server.fault = "read only"
    found = sync.verify(house, server.url, Secret(server.token))
    assert (found.reachable, found.can_push, found.default_branch, found.empty) == (True, False, "main", False)
    server.fault = None
    with pytest.raises(SyncFailed) as refused:
        sync.verify(house, server.url, Secret("wrong-token"))
    assert refused.value.code == "sync.unauthorized"


def test_certificates_and_proxy_come_from_the_settings_of_the_installer():
    given = {"SSL_CERT_FILE": "/ca.pem", "https_proxy": "http://proxy:1", "UV_INDEX": "secret", "NO_PROXY": "x"}
    assert network(given) == {"GIT_SSL_CAINFO": "/ca.pem", "https_proxy": "http://proxy:1", "no_proxy": "x"}


def test_how_many_jobs_may_go():
    ten = [f"job-{n}" for n in range(10)]
    assert mass_removal(ten, ten[1:]) == set()
    assert mass_removal(ten, ten[2:]) == {"job-0", "job-1"}
    assert mass_removal(ten[:4], ten[1:4]) == {"job-0"}
    assert mass_removal(ten[:2], [*ten[:2], "new"]) == set()
