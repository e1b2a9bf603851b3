"""What a remote sends: in a folder of its own until it is whole, and never more than a jobs repo is large."""

from __future__ import annotations

import threading

import pytest

from longhouse.doctor import report
from longhouse.errors import StorageFull
from longhouse.repo import git, quarantine, sync
from longhouse.repo.refusals import CutOff, SyncFailed, TooLarge, Unsound
from tests.git_server import plain
from tests.instance import until
from tests.longhouse.test_sync import ANN, connected, local, server

__all__ = ["connected", "local", "server"]

FEW = 4 * 2**20


def objects(house):
    return {path for path in (house.paths.git_dir / "objects").rglob("*") if path.is_file()}


def arrived(house):
    folders = (house.paths.git_dir / "objects").glob(f"{quarantine.PREFIX}*")
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def test_all_of_it_is_in_the_repository_when_it_has_come(house, connected, server):
    theirs = server.commit({f"jobs/n{number}.py": f"x = {number}\n" for number in range(150)})
    left = house.paths.git_dir / "objects" / f"{quarantine.PREFIX}killed" / "pack"
    left.mkdir(parents=True)
    (left / "tmp_pack_x").write_text("what a killed server left")
    assert sync.sync(house, ANN).state.state == "synced" and connected.head().commit == theirs
    assert {".pack", ".idx"} <= {path.suffix for path in objects(house) if path.parent.name == "pack"}
    assert not list((house.paths.git_dir / "objects").glob("tmp_*"))
    checked = plain("-C", str(house.paths.tree), "fsck", "--strict", "--no-dangling")
    assert checked.stdout + checked.stderr == ""


def test_single_objects_are_let_in_like_packs_and_seen_by_nobody_before(house, local):
    """Some versions of git unpack what is small."""

    def shown():
        return local.read("cat-file", "-e", made, codes=(0, 1, 128)).code == 0

    with quarantine.quarantine(local) as arriving:
        words = ("hash-object", "-w", str(house.paths.tree / "AGENTS.md"))
        (house.paths.tree / "AGENTS.md").write_text("as it comes from elsewhere\n")
        env = {**arriving.env, "GIT_DIR": str(house.paths.git_dir)}
        made = plain(*words, env=env).stdout.strip()
        assert arriving.size() > 0 and not shown()
        arriving.admit()
        assert shown() and arriving.size() == 0
    assert not list((house.paths.git_dir / "objects").glob("tmp_*"))


def test_a_remote_that_sends_without_end_is_cut_short_and_leaves_nothing(house, connected, server, client, monkeypatch):
    monkeypatch.setattr(quarantine, "LARGEST", FEW)
    theirs = server.commit({"jobs/theirs.py": "x = 1\n"})
    before, mine = objects(house), connected.head().commit
    server.fault = "endless"
    answer = client.post("/api/jobs/repo/sync")
    assert (answer.status_code, answer.json()["code"]) == (502, "sync.too_large")
    assert "more than 4 MiB" in answer.json()["detail"] and "nothing of it was kept" in answer.json()["detail"]
    assert client.get("/api/jobs/repo").json()["last_sync_error"] == answer.json()["detail"]
    assert [check.message for check in report(house) if check.name == "sync"] == [answer.json()["detail"]]
    server.fault = None
    until(lambda: objects(house) == before, what="nothing is left of it")
    assert connected.head().commit == mine
    assert sync.sync(house, ANN).state.state == "synced" and connected.head().commit == theirs


def test_control_without_the_limit_it_goes_on(house, connected, server, monkeypatch):
    monkeypatch.setattr(quarantine, "LARGEST", 10**15)
    server.commit({"jobs/theirs.py": "x = 1\n"})
    server.fault, ended = "endless", []

    def tried():
        try:
            sync.sync(house, ANN)
        except SyncFailed as error:
            ended.append(error)

    asked = threading.Thread(target=tried)
    asked.start()
    until(lambda: arrived(house) > 4 * FEW, what="four times as much as the test above lets in")
    server.fault = None
    asked.join()
    assert isinstance(ended[0], CutOff) and arrived(house) == 0


def test_what_came_at_once_is_measured_too(house, connected, server, monkeypatch):
    monkeypatch.setattr(quarantine, "LARGEST", 100)
    server.commit({"jobs/theirs.py": "x = 1\n"})
    before = objects(house)
    with pytest.raises(TooLarge):
        sync.sync(house, ANN)
    assert objects(house) == before


def test_a_pack_that_is_cut_off_or_unsound_leaves_nothing_and_each_is_said(house, connected, server):
    theirs = server.commit({f"jobs/n{number}.py": f"x = {number}\n" for number in range(3)})
    before, said = objects(house), []
    for fault, kind in (("cut off", CutOff), ("corrupt", Unsound)):
        server.fault = fault
        with pytest.raises(kind) as refused:
            sync.sync(house, ANN)
        said.append(refused.value.message)
        assert objects(house) == before, fault
    server.fault = None
    inner = plain("-C", str(server.repo), "rev-parse", "main^{tree}").stdout.strip()
    evil = plain("-C", str(server.repo), "mktree", given=f"040000 tree {inner}\t.git\n").stdout.strip()
    commit = plain("-C", str(server.repo), "commit-tree", evil, "-p", "main", "-m", "x").stdout.strip()
    plain("-C", str(server.repo), "update-ref", "refs/heads/main", commit)
    with pytest.raises(Unsound, match=r"hasDotgit"):
        sync.sync(house, ANN)
    assert objects(house) == before and len(set(said)) == 2
    plain("-C", str(server.repo), "update-ref", "refs/heads/main", theirs)
    assert sync.sync(house, ANN).state.state == "synced" and connected.head().commit == theirs


def test_a_full_disk_here_is_no_fault_of_the_remote(connected, tmp_path):
    """And one there is none of ours."""

    def says(words):
        program = tmp_path / "git"
        program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 128\n")
        program.chmod(0o755)
        found = git.Git(connected.git_dir, connected.work_tree, connected.home, program=program)
        found.check_config = lambda: None
        return found.contact("fetch", env={}, settings=(), seconds=10, stop=lambda: False)

    with pytest.raises(StorageFull):
        says("fatal: write error: No space left on device")
    assert says("remote: fatal: write error: No space left on device").code == 128
