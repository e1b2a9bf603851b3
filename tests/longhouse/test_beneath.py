"""No path leads out of the folder: eighty texts that try, and a folder that becomes a link while it is being used."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from longhouse import edits
from longhouse.house import By
from longhouse.repo import beneath, bootstrap, names
from longhouse.repo.names import PathRefused

OUTSIDE = "do not read me\n"
INSIDE = b"mine\n"
UPS = (
    "../",
    "..\\",
    "%2e%2e/",
    "..%2f",
    "%2e%2e%2f",
    "..%5c",
    "....//",
    "..;/",
    "..%00/",
    "．．/",
    "..\u2215",
    "%252e%252e/",
)
TARGETS = ("outside.txt", "longhouse.db", "keys/master.json", "jobs.git/config")
ABSOLUTE = ("/etc/passwd", "//etc/passwd", "C:\\windows\\win.ini", "\\\\host\\share", "file:///etc/passwd", "~/.ssh/id")
INSIDE_GIT = (".git/config", ".git/hooks/pre-commit", "jobs/.git/config", ".GIT/config", "jobs/../.git/config", ".git")
ODD = (
    *("", ".", "..", "/", "jobs", "jobs/", "jobs//a.py", "jobs/./a.py", "jobs/a.py/", "jobs/a.py/..", "./manifest.py"),
    *("jobs/\0a.py", "jobs/a.py\0.txt", "jobs/a\n.py", "jobs/\x1b[2J.py", "jobs/\u202eyp.a", "jobs/a b.py", "jobs/-rf"),
)
PATHS = (
    tuple(f"jobs/{up}{up}{target}" for up in UPS for target in TARGETS)
    + ABSOLUTE
    + INSIDE_GIT
    + ODD
    + ("jobs/con.py", "jobs/x.pyc")
)


def test_eighty_texts_that_try_to_leave_are_refused_and_touch_nothing(house, client, tmp_path):
    bootstrap.ensure(house.paths, known_commits=False)
    (tmp_path / "outside.txt").write_text(OUTSIDE)
    (house.paths.data / "outside.txt").write_text(OUTSIDE)
    assert len(set(PATHS)) >= 80
    before = _everything(tmp_path)
    by = By("ann", "api")
    for path in PATHS:
        with pytest.raises(PathRefused):
            edits.read(house, path)
        with pytest.raises(PathRefused):
            edits.change(house, by, {path: b"x = 1\n"}, expected={path: None})
        with pytest.raises(PathRefused):
            edits.change(house, by, {path: None}, expected={path: "0" * 40})
        body = {"files": {path: {"content": "x = 1\n"}}, "message": "out"}
        answers = [client.post("/api/jobs/repo/changes", json=body)]
        for safe in ("", "/%") if "%" in path else ("",):
            url = f"/api/jobs/repo/files/{quote(path, safe=safe)}"
            answers += [client.get(url), client.put(url, json={"content": "x"}, headers={"If-Match": "*"})]
            answers.append(client.delete(url, headers={"If-Match": "*"}))
        assert all(answer.status_code >= 400 or OUTSIDE not in answer.text for answer in answers), path
        assert answers[0].status_code in (400, 422), (path, answers[0].text)
    assert _everything(tmp_path) == before


def _everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".db-wal", ".db-shm", ".db") and "cache" not in path.parts
    }


@pytest.mark.parametrize("path", ["../outside.txt", "a/../../outside.txt", "/etc/passwd", "link", "way/outside.txt"])
@pytest.mark.parametrize("kernel", ["openat2", "walk"])
def test_below_a_folder_neither_dots_nor_links_are_followed(tmp_path, path, kernel, monkeypatch):
    """The layer beneath the names: whatever text came through."""
    if kernel == "walk":
        monkeypatch.setattr(beneath, "OPENAT2", -1)  # as on a kernel that has no such call
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text(OUTSIDE)
    (root / "link").symlink_to(tmp_path / "outside.txt")
    (root / "way").symlink_to(tmp_path)
    with pytest.raises(OSError) as refused:
        beneath.read(root, path, names.LARGEST)
    assert refused.value.errno in (errno.EXDEV, errno.ELOOP, errno.ENOTDIR)
    for before in (None, OUTSIDE.encode()):
        with suppress(OSError):
            beneath.put(root, path, b"changed", before)
    assert (tmp_path / "outside.txt").read_text() == OUTSIDE


@pytest.mark.parametrize("together", [True, False])
def test_many_files_change_as_each_would_alone_and_what_is_in_the_way_stays(tmp_path, together, monkeypatch):
    monkeypatch.setattr(beneath, "FEW", 0 if together else 16)
    done: list[str] = []
    fsync, flush, placed = os.fsync, beneath._flush, beneath._placed
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("one flushed") or fsync(handle))
    monkeypatch.setattr(beneath, "_flush", lambda root: done.append("all flushed") or flush(root))
    monkeypatch.setattr(beneath, "_placed", lambda *words: done.append("placed") or placed(*words))
    for name, data in {"old.py": b"old", "newer.py": b"newer", "gone.py": b"old", "kept.py": b"newer"}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link.py").symlink_to(tmp_path / "old.py")
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "folder.py").mkdir()
    beneath.put_all(
        tmp_path,
        [
            beneath.Put("old.py", b"new", b"old"),
            beneath.Put("newer.py", b"new", b"old"),
            beneath.Put("gone.py", None, b"old"),
            beneath.Put("kept.py", None, b"old"),
            beneath.Put("deep/er/new.py", b"new", None, executable=True),
            beneath.Put("link.py", b"new", b"old"),
            beneath.Put("way/over.py", b"new", None),
            beneath.Put("folder.py", b"new", None),
            beneath.Put("no/where.py", None, b"old"),
        ],
    )
    there = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*")}
    files = {name: path.read_bytes() for name, path in there.items() if path.is_file() and not path.is_symlink()}
    assert files == {"old.py": b"new", "newer.py": b"newer", "kept.py": b"newer", "deep/er/new.py": b"new"}
    assert there["deep/er/new.py"].stat().st_mode & 0o777 == 0o755
    assert there["link.py"].is_symlink() and there["folder.py"].is_dir() and "over.py" not in there
    if together:
        files = [each for each in done if each != "one flushed"]  # a folder that was made
        assert files == ["all flushed", *["placed"] * files.count("placed"), "all flushed"]
    else:
        assert "all flushed" not in done and done.count("one flushed") > done.count("placed")


def test_a_folder_that_goes_while_many_files_are_written_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(beneath, "FEW", 0)
    create, gone = beneath._create, []

    def goes(folder, name, data, mode, *, synced):
        if not gone:
            gone.append(name)
            (tmp_path / "deep").rmdir()
        create(folder, name, data, mode, synced=synced)

    monkeypatch.setattr(beneath, "_create", goes)
    puts = [beneath.Put("deep/one.py", b"one", None), beneath.Put("two.py", b"two", None)]
    beneath.put_all(tmp_path, puts)
    assert (tmp_path / "deep" / "one.py").read_bytes() == b"one" and (tmp_path / "two.py").read_bytes() == b"two"


def test_when_the_disk_is_full_nothing_of_many_files_has_changed_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(beneath, "FEW", 0)
    create = beneath._create

    def full(folder, name, data, mode, *, synced):
        create(folder, name, data, mode, synced=synced)
        if data == b"too much":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(beneath, "_create", full)
    (tmp_path / "old.py").write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        beneath.put_all(tmp_path, [beneath.Put("old.py", b"new", b"old"), beneath.Put("more.py", b"too much", None)])
    assert [path.name for path in tmp_path.iterdir()] == ["old.py"]
    assert (tmp_path / "old.py").read_bytes() == b"old"


# --- the race -------------------------------------------------------------------------------------------------------

SWAP = """
import ctypes, os, sys
libc, root = ctypes.CDLL(None), sys.argv[1]
folder, other = (os.path.join(root, name).encode() for name in ("jobs", ".other"))
print("swapping", flush=True)
while True:
    libc.renameat2(-100, folder, -100, other, 2)
"""


REFUSED = (errno.ELOOP, errno.ENOTDIR, errno.EXDEV, errno.ENOENT, errno.EAGAIN)


@contextmanager
def swapped(root: Path, outside: Path) -> Iterator[None]:
    """`jobs` is a folder and, the next moment, a link to `outside`; over and over, by another process."""
    (root / ".other").symlink_to(outside)
    process = subprocess.Popen([sys.executable, "-c", SWAP, str(root)], stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def race(tmp_path: Path, tries: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What came of so many reads, writes and removals while `jobs` is swapped."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "jobs").mkdir(parents=True)
    outside.mkdir()
    for name in ("read.py", "write.py", "remove.py"):
        (outside / name).write_text(OUTSIDE)
    (root / "jobs" / "read.py").write_bytes(INSIDE)
    monkeypatch.setattr(beneath, "WRITER_SECONDS", 0.0)
    seen: Counter[str] = Counter()
    with swapped(root, outside):
        for number in range(tries):
            # both ways of looking in turn; a kernel without openat2 gets the second
            monkeypatch.setattr(beneath, "OPENAT2", 437 if number % 2 else -1)
            try:
                if number % 4 < 2:
                    got = beneath.read(root, "jobs/read.py", names.LARGEST)
                    seen["escaped" if got == OUTSIDE.encode() else "inside"] += 1
                elif number % 4 == 2:
                    beneath.put(root, "jobs/write.py", b"%d" % number, None)
                    beneath.put(root, "jobs/write.py", b"changed", OUTSIDE.encode())
                else:
                    beneath.put(root, "jobs/remove.py", None, OUTSIDE.encode())
                    beneath.put(root, "jobs/write.py", None, b"%d" % (number - 1))
            except OSError as error:
                seen["refused" if error.errno in REFUSED else str(error)] += 1
        control = _control(root / "jobs" / "read.py")
    seen["escaped"] += sum((outside / name).read_text() != OUTSIDE for name in ("read.py", "write.py", "remove.py"))
    seen["escaped"] += len(list(outside.iterdir())) - 3
    seen["control"] = control
    return seen


def _control(path: Path) -> int:
    """How often a check and then an open, as people write it, are led out. Each look is a try."""
    out = 0
    for _ in range(20_000):
        with suppress(OSError):
            if not path.parent.is_symlink() and path.read_text() == OUTSIDE:
                out += 1
        if out > 3:
            break
    return out


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(tmp_path, monkeypatch):
    _prove(tmp_path, 2_000, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere_ever(tmp_path, monkeypatch):
    _prove(tmp_path, 100_000, monkeypatch)


def _prove(tmp_path, tries, monkeypatch):
    seen = race(tmp_path, tries, monkeypatch)
    assert seen["escaped"] == 0 and seen["inside"] and seen["refused"], seen
    assert set(seen) <= {"escaped", "inside", "refused", "control"}, seen
    assert seen["control"], "a check before an open is led out now and then"
