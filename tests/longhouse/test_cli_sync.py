"""`repo connect|verify|sync|resolve|…` against a real git server: what is said, and with which exit code."""

from __future__ import annotations

import io
import json
import sys

import pytest

from longhouse import loading
from longhouse.repo import remote
from tests.longhouse.test_sync import ANN, MANIFEST, local, server, write

__all__ = ["local", "server"]


@pytest.fixture
def repo(house, local, server, command, monkeypatch):
    """`repo("sync")`: exit code, stdout, stderr; `given` is what stdin holds."""
    house.network["GIT_SSL_CAINFO"] = str(server.ca_file)

    def called(*words, given=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        done = command("repo", *words)
        assert server.token not in done[1] + done[2]
        return done

    return called


@pytest.fixture
def joined(repo, server):
    """…connected, with one sync behind it."""
    assert repo("connect", server.url, "--no-push", given=server.token)[0] == 0
    assert repo("sync") == (0, "synced: 1 pushed, 0 pulled\n", "")
    return repo


def apart(house, server):
    """The same line changed on both sides."""
    write(house, "jobs/both.py", "x = 1\n")
    loading.settle(house)
    server.commit({"jobs/both.py": "x = 2\n"})


def test_verify_says_what_a_token_may_do_and_stores_nothing(house, repo, server):
    code, out, err = repo("verify", server.url, given=f"{server.token}\n")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["Can", "push", "yes"],
        ["Default", "branch", "-"],
        ["Holds", "commits", "no"],
    ]
    server.commit({"a.txt": "x"})
    server.fault = "read only"
    shown = json.loads(repo("verify", server.url, "--json", given=server.token)[1])
    assert shown == {"reachable": True, "can_push": False, "default_branch": "main", "empty": False}
    assert "NO" in repo("verify", server.url, given=server.token)[1]
    assert remote.get(house) is None


def test_what_is_wrong_with_an_address_or_a_token_is_said_with_its_own_code(repo, server):
    for words, given, code, said in (
        ((server.url,), "wrong-token", 1, "the remote does not accept the token (401)"),
        ((server.url.replace("ada", "eve"),), server.token, 1, "there is no repository at the remote's address"),
        (("https://127.0.0.1:1/x",), server.token, 1, "there is no connection to the remote's host"),
        (("http://git.example/x",), server.token, 2, "without a password or token in it"),
        ((server.url, "--branch", "a..b"), server.token, 2, "not a usable name of a branch"),
        ((server.url,), "two words", 2, "no spaces or line breaks"),
        ((server.url,), " \n", 2, "stdin holds no token"),
        ((), server.token, 2, "Missing argument 'URL'"),
    ):
        for name in ("verify", "connect") if code == 2 else ("verify",):
            done = repo(name, *words, given=given)
            assert done[0] == code and done[1] == "" and said in done[2], (name, words, done)
            assert "hint: " in done[2].lower() or "See: " in done[2], done[2]


def test_connect_sync_change_and_disconnect(house, repo, server, client):
    code, out, _ = repo("connect", server.url, "--no-push", "--pull", "5", given=server.token)
    assert code == 0 and out == f"Connected to {server.url}, branch main; the first sync follows by itself\n"
    assert (remote.get(house).auto_push, remote.get(house).pull_minutes) == (False, 5)
    assert repo("sync")[1] == "synced: 1 pushed, 0 pulled\n" and server.at() is not None
    server.commit({"jobs/theirs.py": "x = 1\n"})
    done = json.loads(repo("sync", "--json")[1])
    assert (done["pushed"], done["pulled"], done["sync"]["state"]) == (0, 1, "synced")
    status = dict(line.split(None, 1) for line in repo("status")[1].splitlines() if line.startswith(("Remote", "Sync")))
    assert status == {"Remote": server.url, "Sync": "synced"}

    assert repo("connect", server.url, "--branch", "copy", given=server.token)[0] == 0
    assert (remote.get(house).branch, remote.get(house).auto_push) == ("copy", True)
    assert repo("sync")[0] == 0 and server.at("copy") == server.at("main")
    assert repo("connect", server.url, "--pull", "0", given=server.token)[0] == 2

    assert repo("disconnect")[:2] == (0, "Disconnected\n")
    assert remote.get(house) is None and server.at() is not None
    assert "Sync" not in repo("status")[1]


def test_without_a_remote_every_command_says_so(repo):
    for words, code in (
        (("sync",), 4),
        (("resolve", "merge"), 4),
        (("conflicts",), 4),
        (("webhook",), 4),
        (("disconnect",), 3),
    ):
        done = repo(*words)
        assert done[0] == code and done[1] == "" and done[2].strip(), (words, done)
    assert json.loads(repo("sync", "--json")[2])["code"] == "sync.not_connected"


def test_a_sync_that_fails_ends_with_1_and_is_seen_in_status_and_doctor(joined, server, command):
    for fault, said in (
        ("401", "the remote does not accept the token (401)"),
        ("403", "the remote does not let this token do that (403)"),
        ("404", "there is no repository at the remote's address"),
        ("429", "too many requests (429); it asks to be left alone for 120 s"),
        ("500", "the remote has a fault of its own (500)"),
        ("TLS", "the remote's certificate cannot be trusted"),
        ("redirect", "another host, elsewhere.example (302)"),
        ("page", "what answers at the remote's address is no git repository"),
        ("nothing", "the connection to the remote ended in the middle"),
    ):
        server.fault = fault
        code, out, err = joined("sync")
        assert (code, out) == (1, "") and said in err, (fault, err)
        status = joined("status")[1]
        assert said in status and "failing" in status
    found = command("doctor")
    assert found[0] == 1 and said in found[1] + found[2]
    server.fault = None
    assert joined("sync")[0] == 0 and said not in joined("status")[1]


def test_what_waits_for_a_yes_ends_with_1_and_is_taken_by_the_command_that_is_named(joined, house, server):
    server.commit({"manifest.py": "x = (\n"})
    code, out, err = joined("sync")
    assert (code, out) == (1, "held: 0 pushed, 0 pulled\n")
    assert "the manifest of the remote cannot be loaded: manifest.py:1" in err
    assert "longhouse-jobs repo resolve accept" in err and err == joined("status")[2]
    done = joined("resolve", "merge")
    assert done[0] == 4 and "'merge' is not to be chosen now, but: accept" in done[2]

    seen = json.loads(joined("sync", "--json")[1])["sync"]["incoming"]
    newer = server.commit({"manifest.py": "y = (\n"})
    assert joined("sync")[0] == 1
    done = joined("resolve", "accept", "--incoming", seen)
    assert done[0] == 4 and "is not to be chosen now" in done[2]
    code, out, _ = joined("resolve", "accept", "--incoming", newer)
    assert code == 0 and out.startswith("synced: 0 pushed")
    assert (house.paths.tree / "manifest.py").read_text() == "y = (\n"


def test_what_is_never_taken_names_no_command(joined, server):
    server.commit({"jobs/x.py": "1\n"})
    (server.folder / "work/jobs/passwd").symlink_to("/etc/passwd")
    server.commit({})
    code, _, err = joined("sync")
    assert code == 1 and "jobs/passwd is a link" in err and "resolve" not in err
    assert joined("resolve", "accept")[0] == 4


def test_two_histories_are_merged_with_the_files_that_are_given(joined, house, server, tmp_path):
    apart(house, server)
    code, out, err = joined("sync")
    assert (code, out) == (1, "diverged: 0 pushed, 0 pulled\n") and "1 commits are here alone, 1 on the remote" in err
    code, out, _ = joined("conflicts")
    assert code == 0 and out.startswith("jobs/both.py\n<<<<<<<") and "x = 1" in out and "x = 2" in out
    code, out, err = joined("resolve", "merge")
    assert (code, out) == (4, "") and "jobs/both.py" in err
    for given, said in (("jobs/both.py", "is not PATH=FILE"), ("jobs/both.py=/nowhere/x", "cannot be read")):
        done = joined("resolve", "merge", "--file", given)
        assert done[0] == 2 and said in done[2]
    merged = tmp_path / "merged.py"
    merged.write_text("x = 3\n")
    code, out, err = joined("resolve", "merge", "--file", f"jobs/both.py={merged}")
    assert (code, err) == (0, "") and out.startswith("synced: ")
    assert server.text("jobs/both.py") == "x = 3\n" == (house.paths.tree / "jobs/both.py").read_text()
    assert joined("conflicts")[0] == 4


def test_ours_goes_to_a_branch_and_theirs_becomes_a_commit(joined, house, server):
    apart(house, server)
    assert joined("sync")[0] == 1
    theirs = server.at()
    assert joined("resolve", "ours")[0] == 0
    kept = remote.get(house).branch
    assert kept.startswith("longhouse/") and server.text("jobs/both.py", kept) == "x = 1\n" and server.at() == theirs

    remote.save(house, server.url, remote.token(house), ANN, branch="main", auto_push=False)
    assert joined("sync")[1].startswith("diverged")
    assert joined("resolve", "theirs")[0] == 0
    assert (house.paths.tree / "jobs/both.py").read_text() == "x = 2\n" and server.has(theirs, "main")


def test_many_jobs_go_by_a_choice_only_anyway(joined, house, server):
    jobs = "".join(f"job_registry.register(JobConfig(id='job-{n}', func=run))\n" for n in range(5))
    write(house, "jobs/all.py", "def run():\n    pass\n")
    write(house, "manifest.py", MANIFEST + jobs)
    assert joined("sync")[0] == 0
    write(house, "jobs/mine.py", "x = 1\n")
    loading.settle(house)
    server.commit({"manifest.py": MANIFEST})
    assert joined("sync")[1].startswith("diverged")
    done = joined("resolve", "merge")
    assert done[0] == 4 and "it would take away 5 jobs" in done[2]
    assert joined("resolve", "merge", "--anyway")[0] == 0


def test_a_webhooks_secret_is_shown_once(joined, house):
    code, out, _ = joined("webhook")
    shown = remote.hook(house).reveal()
    assert code == 0 and shown in out and "/api/hooks/repo" in out
    made = json.loads(joined("webhook", "--json")[1])
    assert made["secret"] == remote.hook(house).reveal() != shown
