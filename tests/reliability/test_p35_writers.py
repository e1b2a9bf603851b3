"""Three writers at the same files, the API, an agent with a work tree of its own, an editor: nobody's line is lost."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from longhouse import edits, loading
from longhouse.errors import LonghouseError
from longhouse.house import By, House
from longhouse.repo import bootstrap
from tests.instance import STARTER, until

FILES = tuple(f"jobs/f{number}.py" for number in range(3))
URL = "/api/jobs/repo"


class Writers:
    def __init__(self, house: House, client: TestClient, each: int) -> None:
        self.house, self.client, self.each = house, client, each
        self.tree = house.paths.tree
        self.accepted: list[str] = []
        self.seen: Counter[str] = Counter()
        self.done = 0
        self.wrong: list[BaseException] = []

    def api(self) -> None:
        for number in range(self.each):
            path, line = FILES[number % len(FILES)], f"# api {number}."
            while True:
                shown = self.client.get(f"{URL}/files/{path}")
                if shown.status_code != 200:
                    continue
                body = {"content": f"{shown.json()['content']}{line}\n"}
                answer = self.client.put(f"{URL}/files/{path}", json=body, headers={"If-Match": shown.headers["ETag"]})
                if self._told(answer, line):
                    break
            self.done = number + 1

    def agent(self) -> None:
        place = self.house.paths.data / "agent"
        self._git("worktree", "add", "-q", "--detach", str(place), "main")
        for number in range(self.each):
            path, line, name = FILES[number % len(FILES)], f"# agent {number}.", f"agent-{number}"
            while True:
                self._git("checkout", "-q", "--detach", "main", at=place)
                (place / path).write_text(f"{line}\n{(place / path).read_text()}")
                self._git("commit", "-qam", line, at=place)
                self._git("update-ref", f"refs/heads/drafts/{name}", "HEAD", at=place)
                if self._told(self.client.post(f"{URL}/drafts/{name}/apply"), line):
                    break

    def editor(self) -> None:
        """Reads, appends and writes as any program does, asking nobody."""
        for number in range(self.each):
            until(lambda number=number: self.done >= number or self.wrong, seconds=600)
            file, line = self.tree / FILES[number % len(FILES)], f"# vim {number}."
            file.write_text(f"{file.read_text()}{line}\n")
            self.accepted.append(line)

    def _told(self, answer, line: str) -> bool:
        self.seen[str(answer.status_code)] += 1
        if answer.status_code == 412:
            [conflict] = answer.json()["conflicts"]
            assert line in conflict["yours"] and conflict["theirs"] is not None and conflict["merged"]
        elif answer.status_code < 300:
            self.accepted.append(line)
            return True
        else:
            assert answer.status_code in (409, 503), answer.text
        return False

    def _git(self, *words: str, at: Path | None = None) -> str:
        who = ("-c", "user.name=Agent", "-c", "user.email=agent@example.org")
        argv = ["git", *who, *words]
        return subprocess.run(argv, cwd=at or self.tree, check=True, capture_output=True, text=True).stdout

    def watch(self, end: threading.Event) -> None:
        while not end.wait(0.1):
            loading.settle(self.house)

    def work(self) -> None:
        end = threading.Event()
        threads = [threading.Thread(target=self._kept, args=(act,)) for act in (self.api, self.agent, self.editor)]
        watcher = threading.Thread(target=self.watch, args=(end,))
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        end.set()
        watcher.join()
        assert self.wrong == []
        loading.settle(self.house)

    def _kept(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:
            self.wrong.append(error)

    def lost(self) -> list[str]:
        """Accepted lines that no commit has."""
        history = self._git("log", "-p", "-m", "--format=", "main")
        return [line for line in self.accepted if f"+{line}" not in history]


def _write(house: House, client: TestClient, each: int, monkeypatch: pytest.MonkeyPatch, proves: Callable[..., None]):
    bootstrap.ensure(house.paths, known_commits=False)
    (house.paths.tree / "manifest.py").write_text(STARTER)
    for path in FILES:
        (house.paths.tree / path).write_text("a = 1\n\n\n\n\n\nb = 2\n\n\n\n\n\n")
    # What a manifest says is another test's subject; here only files count, and reading it takes most of the time.
    monkeypatch.setattr(loading, "describe", lambda *args: ((), {}))
    loading.settle(house)
    writers = Writers(house, client, each)
    writers.work()
    assert len(writers.accepted) == 3 * each and writers.lost() == []
    assert writers.seen["412"], "nobody met anybody"
    fsck = subprocess.run(["git", "fsck", "--strict"], cwd=house.paths.tree, capture_output=True, text=True)
    assert fsck.returncode == 0, fsck.stderr

    shown = client.get(f"{URL}/files/{FILES[0]}").json()["content"]
    client.put(f"{URL}/files/{FILES[0]}", json={"content": f"{shown}# hers.\n"}, headers={"If-Match": "*"})
    client.put(f"{URL}/files/{FILES[0]}", json={"content": f"{shown}# his.\n"}, headers={"If-Match": "*"})
    assert "# hers." not in client.get(f"{URL}/files/{FILES[0]}").json()["content"]
    proves(
        "P35",
        figure=f"{len(writers.accepted):,} edits accepted from three writers at {len(FILES)} files: 0 lost, "
        f"{writers.seen['412']} conflicts answered with both texts, git fsck clean",
        control="two edits with If-Match: * from one version: the file lost the first",
    )


@pytest.mark.timeout(300)
def test_three_writers_lose_nothing(house, client, monkeypatch, proves):
    _write(house, client, 25, monkeypatch, proves)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_three_writers_lose_nothing_for_long(house, client, monkeypatch, proves):
    _write(house, client, 1000, monkeypatch, proves)


def test_no_jobs_go_in_silence(house: House, proves: Callable[..., None]):
    """P36: what a sync or an agent may do to twelve jobs: an emptied manifest, an unlucky merge, one job gone."""
    bootstrap.ensure(house.paths, known_commits=False)

    def manifest(count: int) -> bytes:
        lines = [f"job_registry.register(JobConfig(id='j{n}', func=run, every=60))\n" for n in range(count)]
        return (STARTER + "from jobs.hello import run\n" + "".join(lines)).encode()

    (house.paths.tree / "manifest.py").write_bytes(manifest(12))
    loading.settle(house)
    blocked = 0
    for count in (0, 5, 10, 11):
        _, blob = edits.read(house, "manifest.py")
        try:
            edits.change(house, By("agent", "api"), {"manifest.py": manifest(count)}, expected={"manifest.py": blob})
        except edits.RemovalUnconfirmed:
            blocked += 1
        except LonghouseError as error:
            raise AssertionError(error) from error
    assert blocked == 3
    edits.change(
        house,
        By("agent", "api"),
        {"manifest.py": manifest(0)},
        expected={"manifest.py": edits.read(house, "manifest.py")[1]},
        confirm_removal=True,
    )
    proves(
        "P36",
        figure=f"{blocked} of 3 changes that remove several of 12 jobs wait for a yes; the removal of one does not",
        control="the same change with the yes: all 11 jobs go",
    )
