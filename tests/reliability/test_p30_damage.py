"""A damaged, lost or unsafe database is refused with a way out, and never made anew; and no handle outlives a fork."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from longhouse import boot
from longhouse.clock import SystemClock
from longhouse.errors import CannotStart, StorageFailed
from longhouse.house import House
from longhouse.launch.local import LocalLauncher, Spec
from longhouse.paths import Paths
from longhouse.store import volume
from longhouse.store.database import Database
from tests.reliability.seeds import a_seed

PAGE = 4096


def opened(paths: Paths) -> House:
    return boot.open_house(paths, SystemClock(), "UTC", grace_seconds=1, installer={}, source_builds=False)


def close(house: House) -> None:
    house.launcher.close()
    house.db.close()


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that has been in use, and was closed well: 3 MiB of runs' events."""
    paths = Paths(tmp_path_factory.mktemp("used") / "data")
    boot.make_data_dir(paths)
    house = opened(paths)
    with house.db.write() as db:
        for number in range(12_000):
            db.execute(
                "INSERT INTO events (at, type, subject, data) VALUES (1, 'run.created', ?, ?)",
                (f"run:{number}", '"' + "x" * 200 + '"'),
            ).fetchall()
    paths.git_dir.mkdir()
    close(house)
    return paths.data


def copied(used: Path, target: Path) -> Paths:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(used, target)
    return Paths(target)


Damage = Callable[[Path, random.Random], None]


def garbage(path: Path, chance: random.Random) -> None:
    """One page that is in use, over its whole length."""
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        file.seek(chance.randrange(pages) * PAGE)
        file.write(chance.randbytes(PAGE))


def header(path: Path, chance: random.Random) -> None:
    """One bit of the magic words."""
    at = chance.randrange(16)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def shorter(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(1, path.stat().st_size - 1))


def empty(path: Path, chance: random.Random) -> None:
    os.truncate(path, 0)


def gone(path: Path, chance: random.Random) -> None:
    path.unlink()


def text(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(100_000))


DAMAGES: dict[Damage, int] = {garbage: 25, header: 6, shorter: 10, empty: 1, gone: 1, text: 3}


def test_every_damage_is_refused_with_a_hint_and_nothing_is_made_anew(used: Path, tmp_path: Path, proves) -> None:
    seed = a_seed()
    chance, refused = random.Random(seed), 0
    close(opened(copied(used, tmp_path / "whole")))
    for damage, times in DAMAGES.items():
        for number in range(times):
            paths = copied(used, tmp_path / "data")
            damage(paths.database, chance)
            before = paths.database.read_bytes() if paths.database.exists() else None
            with pytest.raises(CannotStart) as error:
                close(opened(paths))
                pytest.fail(f"{damage.__name__} {number} of seed {seed} was not noticed")
            assert "backup" in error.value.hint, error.value
            after = paths.database.read_bytes() if paths.database.exists() else None
            assert after == before, f"{damage.__name__} {number} of seed {seed}: the file was changed"
            refused += 1
    proves(
        "P30",
        f"{refused} of {sum(DAMAGES.values())} damaged databases (pages, headers, cut, emptied, gone, no database)"
        " refused with a hint, 0 changed or made anew",
        control=unasked(used, tmp_path / "control"),
    )


def unasked(used: Path, target: Path) -> str:
    """Opened as SQLite opens it, without a check."""
    chance, taken = random.Random(1), 0
    for damage in (garbage, garbage, garbage, garbage, empty, gone):
        paths = copied(used, target)
        damage(paths.database, chance)
        try:
            with closing(Database(paths.database)) as database, database.write() as db:
                db.execute("CREATE TABLE other (n)").fetchall()
            taken += 1
        except (CannotStart, StorageFailed):
            pass
    assert taken > 2
    return f"without the checks: {taken} of 6 were opened and written to"


def test_a_database_without_its_log_is_refused(used: Path, tmp_path: Path, proves) -> None:
    """After a server that was killed the newest transactions are in the log alone."""
    paths = copied(used, tmp_path / "data")
    house = opened(paths)
    with house.db.write() as db:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('runs', 7)").fetchall()
    (paths.output / "7").mkdir()
    paths.instance.write_text("{}")
    killed = tmp_path / "killed"
    shutil.copytree(paths.data, killed)  # as a kill leaves it
    close(house)
    close(opened(copied(killed, tmp_path / "whole")))
    refused = 0
    for lost in (["-wal"], ["-wal", "-shm"]):
        paths = copied(killed, tmp_path / "without")
        for each in lost:
            Path(f"{paths.database}{each}").unlink()
        with pytest.raises(CannotStart, match="newest transactions of the database are gone") as error:
            opened(paths)
        assert "longhouse.db-wal" in error.value.hint
        refused += 1
    proves("P30", f"{refused} of 2 databases whose log was lost refused", control="with its log it starts")


def test_a_network_file_system_is_refused(tmp_path: Path, proves) -> None:
    line = "36 25 0:33 / {place} rw,relatime shared:1 - {kind} host:/x rw\n"
    mounts = tmp_path / "mountinfo"
    kinds = ["nfs4", "nfs", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.rclone", "fuse", "ceph"]
    data = tmp_path / "with space" / "data"
    place = str(tmp_path / "with space").replace(" ", "\\040")
    for kind in kinds:
        mounts.write_text(line.format(place="/", kind="ext4") + line.format(place=place, kind=kind))
        with pytest.raises(CannotStart, match=f"of the kind {kind}") as error:
            volume.refuse_network(data, mounts)
        assert "--data-dir" in error.value.hint
        volume.refuse_network(tmp_path / "elsewhere", mounts)
    for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "virtiofs"):
        mounts.write_text(line.format(place="/", kind=kind))
        volume.refuse_network(data, mounts)
    assert volume.kind(tmp_path) is not None
    proves("P30", f"{len(kinds)} of {len(kinds)} kinds of network file systems refused")


def test_a_connection_does_not_outlive_a_fork(house: House) -> None:
    reads, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = []
        for use in (house.db.read, house.db.write):
            try:
                with use():
                    said.append("used")
            except RuntimeError as error:
                said.append(str(error).split(":")[0])
        os.write(tells, "|".join(said).encode())
        os._exit(0)
    os.close(tells)
    os.waitpid(pid, 0)
    answer = os.read(reads, 1000).decode()
    os.close(reads)
    assert answer == "|".join(["this database was opened before a fork"] * 2)
    with house.db.write() as db:
        db.execute("CREATE TABLE t (n)").fetchall()


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.soak)])
def test_children_are_started_under_load_and_the_database_stays_whole(
    house: House, tmp_path: Path, count: int, proves
) -> None:
    """Each child looks for the database among its open files."""
    stop, written = threading.Event(), [0]
    with house.db.write() as db:
        db.execute("CREATE TABLE load (n, text)").fetchall()

    def load() -> None:
        while not stop.is_set():
            with house.db.write() as db:
                db.execute("INSERT INTO load VALUES (?, ?)", (written[0], "x" * 500)).fetchall()
            written[0] += 1

    loading = threading.Thread(target=load)
    loading.start()
    launcher, carried, left = LocalLauncher(), [0], list(range(count))
    argv = ("/bin/sh", "-c", "ls -l /proc/self/fd/ | grep -c longhouse.db; true")

    def start() -> None:
        while left:
            try:
                number = left.pop()
            except IndexError:
                return
            with launcher.start(Spec(argv, {"PATH": "/usr/bin:/bin"}, tmp_path, f"n6/{number}/1")) as child:
                assert child.read_exit().code == 0
                carried[0] += os.read(child.stdout, 100) != b"0\n"

    try:
        starters = [threading.Thread(target=start) for _ in range(4)]
        for each in starters:
            each.start()
        for each in starters:
            each.join()
    finally:
        stop.set()
        loading.join()
        launcher.close()
    assert carried == [0]
    assert house.db.check(whole=True, stop=lambda: False) == []
    with house.db.read() as db:
        assert db.execute("SELECT count(*) FROM load").fetchall() == [(written[0],)]
    proves(
        "P30",
        f"{count} children started during {written[0]:,} transactions: 0 carried a handle, integrity_check ok",
        control=carrying(house),
    )


def carrying(house: House) -> str:
    """A program started with all that is open carries the database."""
    reads, tells = os.pipe()
    fds = [int(name) for name in os.listdir("/proc/self/fd") if _target(name).endswith("longhouse.db")]
    assert fds
    for fd in fds:
        os.set_inheritable(fd, True)
    pid = os.posix_spawn(
        "/bin/sh", ["sh", "-c", "ls -l /proc/self/fd/ | grep -c 'longhouse.db$'"], {"PATH": "/usr/bin:/bin"},
        file_actions=[(os.POSIX_SPAWN_DUP2, tells, 1)],
    )  # fmt: skip
    os.waitpid(pid, 0)
    for fd in fds:
        os.set_inheritable(fd, False)
    found = int(os.read(reads, 100))
    os.close(reads)
    os.close(tells)
    assert found == len(fds)
    return f"with close-on-exec taken away a child carries {found}"


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return ""


def test_damage_that_is_met_while_it_runs_stops_all_writing(tmp_path: Path) -> None:
    path, ended = tmp_path / "longhouse.db", []
    with closing(Database(path)) as database:
        database.failed = lambda: ended.append(True)
        with database.write() as db:
            db.execute("CREATE TABLE t (n, text)").fetchall()
            for number in range(3000):
                db.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 500)).fetchall()
        database._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        with path.open("r+b") as file:
            for page in range(10, 200):
                file.seek(page * PAGE)
                file.write(b"\xff" * PAGE)
        with pytest.raises(StorageFailed, match="damaged"), database.read() as db:
            db.execute("SELECT max(length(text)) FROM t").fetchall()
        with pytest.raises(StorageFailed, match="damaged"), database.write():
            pass
        assert ended == [True]
        assert database.check(whole=True, stop=lambda: False)
