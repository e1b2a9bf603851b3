"""Commits on both sides: whichever way they are brought together, both histories stay reachable."""

from __future__ import annotations

import pytest

from longhouse import loading
from longhouse.repo import divergence, incoming, remote, sync
from longhouse.vault import Secret
from tests.git_server import GitServer, plain
from tests.longhouse.test_sync import ANN, connect, connected, local, server, write

__all__ = ["connected", "local", "server"]

CHOICES = ("merge", "ours", "theirs")


def apart(house, git, server: GitServer, *, same: bool) -> tuple[str, str]:
    """A commit on each side, in the same file or in different ones; both ids."""
    theirs = server.commit({"jobs/one.py": "theirs\n", "jobs/only_theirs.py": "1\n"})
    write(house, "jobs/one.py" if same else "jobs/two.py", "ours\n")
    loading.settle(house)
    ours = git.head().commit
    state = sync.sync(house, ANN).state
    assert (state.state, state.choices) == ("diverged", CHOICES)
    assert (git.head().commit, server.at()) == (ours, theirs)  # nothing has moved
    return ours, theirs


def behind(git, commit: str, head: str) -> bool:
    return incoming.base(git, commit, head) == commit


def decide(house, choice: str) -> sync.Synced:
    files = {}
    if choice == "merge":
        files = {each.path: "both\n" for each in sync.conflicts(house)}
    return sync.resolve(house, ANN, choice, files=files)


def test_both_histories_stay_reachable_whatever_is_chosen(house, connected, server, proves):
    kept = ways = 0
    for same in (False, True):
        for choice in CHOICES:
            ours, theirs = apart(house, connected, server, same=same)
            if same and choice == "merge":
                (found,) = sync.conflicts(house)
                assert (found.path, found.ours, found.theirs) == ("jobs/one.py", "ours\n", "theirs\n")
                assert "ours" in found.merged and "theirs" in found.merged and "<<<<<<<" in found.merged
                with pytest.raises(divergence.Unresolved) as refused:
                    sync.resolve(house, ANN, "merge")
                assert refused.value.facts["files"] == ["jobs/one.py"]
            state = decide(house, choice).state
            assert state.state == "synced"
            head = connected.head().commit
            where = remote.get(house).branch
            assert server.has(ours, where)
            assert server.has(theirs, "main")
            assert behind(connected, ours, head) and connected.ref("refs/longhouse/incoming") is not None
            one = (house.paths.tree / "jobs/one.py").read_text()
            if choice == "merge":
                assert one == ("both\n" if same else "theirs\n") and server.has(theirs, "main")
            elif choice == "theirs":
                assert one == "theirs\n" and behind(connected, theirs, head)
            else:
                assert where.startswith("longhouse/2026-02-04") and one == ("ours\n" if same else "start\n")
            kept += 2
            ways += 1
            if choice == "ours":  # back to the branch that both had: now it is to be decided again
                remote.save(house, server.url, Secret(server.token), ANN)
                assert sync.sync(house, ANN).state.state == "diverged"
                assert decide(house, "theirs").state.state == "synced"
            server.commit({"jobs/one.py": "start\n", "jobs/two.py": "start\n"})
            assert sync.sync(house, ANN).state.state == "synced"
    assert plain("--git-dir", str(connected.git_dir), "fsck", "--strict").returncode == 0

    ours, theirs = apart(house, connected, server, same=True)
    plain(
        "--git-dir", str(connected.git_dir), "push", "--quiet", "--force", str(server.repo), f"{ours}:refs/heads/main"
    )
    lost = 0 if server.has(theirs, "main") else 1
    assert lost == 1
    proves(
        "P38",
        figure=f"{kept} of {2 * ways} histories reachable after {ways} divergences (same and different files, each "
        "of 3 choices); 0 commits overwritten",
        control=f"a plain `git push --force` lost {lost} of 1",
    )


def test_a_remote_and_a_repo_that_have_nothing_in_common_are_joined_and_lose_nothing(house, local, server):
    theirs = server.commit({"README.md": "theirs\n", "manifest.py": "import zerg\n"})
    ours = local.head().commit
    connect(house, server)
    state = sync.sync(house, ANN).state
    assert (state.state, state.unrelated) == ("diverged", True)
    assert {each.path for each in sync.conflicts(house)} == {"manifest.py"}
    mine = (house.paths.tree / "manifest.py").read_text()
    done = sync.resolve(house, ANN, "merge", files={"manifest.py": mine})
    assert done.state.state == "synced"
    assert server.has(ours, "main") and server.has(theirs, "main")
    assert (house.paths.tree / "README.md").read_text() == "theirs\n"
    assert behind(local, ours, server.at()) and behind(local, theirs, server.at())
