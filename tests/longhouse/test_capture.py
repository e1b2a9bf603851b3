"""What a run prints is kept within bounds, and can be read by line, from the end, while it grows, after a crash."""

from __future__ import annotations

import errno
import os
import random
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longhouse.engine import capture as capturing
from longhouse.engine.capture import Capture, seal_leftover
from longhouse.frames import FRAME, LONGEST_LINE, Stream, segments
from longhouse.launch.local import LocalLauncher, Spec
from longhouse.output import LONGEST_PAGE, Line, follow, raw, read_lines

PYTHON: str = getattr(sys, "_base_executable", sys.executable)
HEAD, TAIL = 4096, 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "7-1"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are reached quickly."""
    monkeypatch.setattr(capturing, "HEAD_BYTES", HEAD)
    monkeypatch.setattr(capturing, "TAIL_BYTES", TAIL)
    monkeypatch.setattr(capturing, "INDEX_EVERY", 256)


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def captured(path: Path, *parts: tuple[int, bytes]) -> Path:
    capture = Capture(path, 0.0)
    for ms, (stream, data) in enumerate(parts):
        capture.write(stream, data, ms)
    capture.seal()
    return path


# --- lines ----------------------------------------------------------------------------------------------------------


def test_lines_have_number_time_stream_and_text(path: Path) -> None:
    captured(path, (0, b"one\ntwo\n"), (1, b"oh\n"), (2, b"noted\n"), (0, b"three"))
    page = read_lines(path)
    assert page.lines == [
        Line(1, 0, Stream.OUT, "one"),
        Line(2, 0, Stream.OUT, "two"),
        Line(3, 1, Stream.ERR, "oh"),
        Line(4, 2, Stream.LOG, "noted"),
        Line(5, 3, Stream.OUT, "three"),
    ]
    assert (page.total, page.dropped_bytes, page.more_before, page.more_after) == (5, 0, False, False)


def test_streams_do_not_cut_each_others_lines(path: Path) -> None:
    captured(
        path, (0, b"half of "), (1, b"an error\n"), (0, b"a line\nnext"), (1, b"more "), (0, b" one\n"), (1, b"errors")
    )
    assert texts(read_lines(path).lines) == ["an error", "half of a line", "next one", "more errors"]


def test_the_beginning_of_a_line_is_shown_after_a_while(path: Path) -> None:
    capture = Capture(path, 0.0)
    capture.write(0, b"Name? ", 1000)
    assert capture.settle(1100)
    assert read_lines(path).lines == []
    assert not capture.settle(1200)
    assert read_lines(path).lines == [Line(1, 1000, Stream.OUT, "Name? ")]
    capture.write(0, b"Ada\n", 5000)
    assert texts(read_lines(path).lines) == ["Name? Ada"]
    capture.seal()


def test_what_the_instance_says_has_lines_of_its_own(path: Path) -> None:
    capture = Capture(path, 0.0)
    capture.write(0, b"working", 1)
    capture.ended()  # until then, the last letter may be the first of a token
    capture.system("timed out\nafter 5 s", 2)
    capture.seal()
    assert [(line.stream, line.text) for line in read_lines(path).lines] == [
        (Stream.OUT, "working"),
        (Stream.SYSTEM, "timed out"),
        (Stream.SYSTEM, "after 5 s"),
    ]


def test_any_bytes_are_a_valid_log(path: Path) -> None:
    data = bytes(range(256)) + b"\xff\xfe\n" + "é\u202e\x1b[31m".encode() + b"\r\n\0\n"
    captured(path, (0, data))
    assert b"".join(raw(path)) == data
    first, second, *_ = read_lines(path).lines
    assert first.text == bytes(range(10)).decode()
    assert "�" in second.text
    assert texts(read_lines(path).lines)[-2:] == ["é\u202e\x1b[31m\r", "\0"]
    for line in read_lines(path).lines:
        line.text.encode()  # no lone surrogates: always valid JSON


def test_a_flood_of_carriage_returns_is_lines_of_64_kib(path: Path) -> None:
    captured(path, *[(0, b"\r50 %" * 20_000)] * 50)
    lines = read_lines(path).lines
    assert max(len(line.text) for line in lines) == LONGEST_LINE
    assert sum(len(line.text) for line in lines) <= LONGEST_PAGE
    assert read_lines(path).total == -(-50 * 20_000 * 5 // LONGEST_LINE)


PIECES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2]),
        st.one_of(
            st.binary(max_size=30),
            st.text(alphabet="ab\n\r", max_size=60).map(str.encode),
            st.integers(1, 300_000).map(lambda n: b"y" * n),
        ),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(PIECES, st.integers(0, 29), st.integers(1, 400_000))
def test_however_it_is_read_it_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, bytes]], begin: int, limit: int
) -> None:
    path = captured(tmp_path_factory.mktemp("capture") / "x", *parts)
    whole = list(every_line(path))
    assert b"".join(raw(path, streams={0})) == b"".join(data for stream, data in parts if stream == 0)
    assert [line.number for line in whole] == list(range(1, len(whole) + 1))
    assert read_lines(path).total == len(whole)
    page = read_lines(path, from_line=begin + 1, limit_bytes=limit)
    assert page.lines == whole[begin : begin + len(page.lines)]
    assert page.more_after == (begin + len(page.lines) < len(whole))
    last = read_lines(path, from_end=begin + 1, limit_bytes=limit)
    assert last.lines == whole[len(whole) - len(last.lines) :]
    assert last.more_before == (len(last.lines) < len(whole))
    errors = read_lines(path, streams={1}, limit_bytes=LONGEST_PAGE).lines
    assert errors == [line for line in whole if line.stream == 1][: len(errors)]
    assert joined(list(followed(path, limit))) == [(line.number, line.text) for line in whole]


def every_line(path: Path) -> Iterator[Line]:
    number = 1
    while lines := read_lines(path, from_line=number).lines:
        yield from lines
        number = lines[-1].number + 1


def followed(path: Path, limit: int = 1000, position: int = 0) -> Iterator[Line]:
    while True:
        found = follow(path, position, limit_bytes=limit)
        if found.position == position:
            return
        position = found.position
        yield from found.lines


def joined(lines: list[Line]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for line in lines:
        if line.continues:
            assert found[-1][0] == line.number
            found[-1] = (line.number, found[-1][1] + line.text)
        else:
            found.append((line.number, line.text))
    return found


# --- bounds ---------------------------------------------------------------------------------------------------------


def long_output(path: Path, count: int = 2000) -> Capture:
    capture = Capture(path, 0.0)
    for number in range(1, count + 1):
        capture.write(0, b"line %d\n" % number, number)
    return capture


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("live", [True, False])
def test_of_a_long_output_beginning_and_end_are_kept_with_their_numbers(path: Path, live: bool) -> None:
    capture = long_output(path)
    if not live:
        capture.seal()
    page = read_lines(path)
    assert page.total == 2000
    gap = next(index for index, line in enumerate(page.lines) if line.stream == Stream.GAP)
    before, after = page.lines[:gap], page.lines[gap + 1 :]
    assert texts(before)[:-1] == [f"line {n}" for n in range(1, len(before))]
    assert texts(after)[1:] == [f"line {n}" for n in range(2000 - len(after) + 2, 2001)]
    assert [line.number for line in after] == list(range(2000 - len(after) + 1, 2001))
    assert [line.ms for line in after] == [line.number for line in after]
    assert page.lines[gap].number == 0
    assert page.lines[gap].text == f"{page.dropped_bytes} bytes dropped"
    assert texts(read_lines(path, from_end=3).lines) == ["line 1998", "line 1999", "line 2000"]
    assert texts(read_lines(path, from_line=1999).lines) == ["line 1999", "line 2000"]
    capture.seal()
    assert sum(map(len, raw(path))) > 0


@pytest.mark.usefixtures("small")
def test_the_file_stays_within_its_bounds_and_alone(path: Path) -> None:
    capture = long_output(path, 100)
    for number in range(5000):
        capture.write(number % 2, b"x" * (number % 97) + b"\n", 1)
        assert sum(each.stat().st_size for each in (path, *segments(path)) if each.exists()) <= HEAD + 2 * TAIL + 200
    capture.seal()
    assert path.stat().st_size <= HEAD + TAIL + 100
    assert sorted(each.name for each in path.parent.iterdir()) == ["7-1", "7-1.idx"]


@pytest.mark.usefixtures("small")
@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), max_size=60), newline=st.booleans())
def test_nothing_but_the_middle_is_lost(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], newline: bool
) -> None:
    path = tmp_path_factory.mktemp("capture") / "x"
    capture = Capture(path, 0.0)
    printed = b""
    for number, size in enumerate(sizes):
        data = bytes([97 + number % 26]) * size + b"\n" * newline
        capture.write(0, data, 0)
        printed += data
    live = read_lines(path)
    capture.seal()
    page = read_lines(path)
    parts = b"".join(raw(path)).split(b"\n[%d bytes dropped]\n" % page.dropped_bytes)
    assert printed.startswith(parts[0])
    assert printed.endswith(parts[-1])
    assert sum(map(len, parts)) + page.dropped_bytes == len(printed)
    assert (len(parts) == 2) == (page.dropped_bytes > 0)
    assert page.total == read_lines(path, from_end=1).total
    assert live.total <= page.total


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("step", [1, 7, 150])
def test_a_follower_sees_every_line_once_while_it_keeps_up(path: Path, step: int) -> None:
    capture = Capture(path, 0.0)
    seen: list[Line] = []
    position = 0
    for number in range(1, 1501):
        capture.write(0, b"line %d\n" % number, number)
        if number % step == 0:
            found = follow(path, position)
            position = found.position
            seen += found.lines
    capture.seal()
    seen += followed(path, position=position)
    lines = [line for line in seen if line.stream != Stream.GAP]
    assert joined(lines) == [(line.number, f"line {line.number}") for line in lines]
    assert len({line.number for line in lines}) == len(lines)
    if step < 100:
        assert len(lines) == len(seen) == 1500
    else:
        assert len(seen) > len(lines), "one who falls behind is told of the gap"


@pytest.mark.usefixtures("small")
def test_a_position_holds_from_the_live_file_to_the_sealed_one(path: Path) -> None:
    capture = long_output(path)
    position = follow(path, 0, limit_bytes=1 << 20).position
    capture.write(0, b"the end\n", 1)
    capture.seal()
    assert texts(follow(path, position).lines) == ["the end"]
    assert follow(path, follow(path, position).position).lines == []


# --- crashes and full disks -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [10, 2000])
def test_what_a_crash_leaves_is_sealed_at_the_next_start(path: Path, count: int) -> None:
    capture = long_output(path, count)
    capture.close()
    with open(path if count == 10 else segments(path)[0], "ab") as file:
        file.write(FRAME.pack(1, 0, 500) + b"torn")
    seal_leftover(path)
    once = path.read_bytes()
    seal_leftover(path)
    assert path.read_bytes() == once
    assert texts(read_lines(path, from_end=2).lines) == [f"line {count - 1}", f"line {count}"]
    assert read_lines(path).total == count
    assert not any(each.exists() for each in segments(path))


def test_a_leftover_that_is_not_there_is_none(path: Path) -> None:
    seal_leftover(path)
    assert not path.exists()


@pytest.mark.usefixtures("small")
def test_sealing_may_be_interrupted_anywhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_output(path).close()
    kept = {each: each.read_bytes() for each in path.parent.iterdir()}
    seal_leftover(path)
    wanted = path.read_bytes()
    real, points = os.write, 0
    while True:
        for each, data in kept.items():
            each.write_bytes(data)
        left = points

        def write(fd: int, data: bytes) -> int:
            nonlocal left
            if left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            left -= 1
            return real(fd, data)

        monkeypatch.setattr(os, "write", write)
        try:
            seal_leftover(path)
            break
        except OSError:
            monkeypatch.setattr(os, "write", real)
            seal_leftover(path)
            assert path.read_bytes() == wanted
            points += 1
    assert points > 10


@pytest.mark.usefixtures("small")
def test_what_a_full_disk_does_not_take_is_counted_and_marked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third write fails halfway."""
    chance, real_write, real_pwrite = random.Random(5), os.write, os.pwrite

    def full(real: object, fd: int, data: bytes, *at: int) -> int:
        if chance.random() < 0.3:
            if len(data) > 1 and chance.random() < 0.7:
                return real(fd, bytes(data)[: len(data) // 2], *at)  # type: ignore[operator,no-any-return]
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, *at)  # type: ignore[operator,no-any-return]

    capture = Capture(path, 0.0)
    monkeypatch.setattr(os, "write", lambda fd, data: full(real_write, fd, data))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: full(real_pwrite, fd, data, at))
    kept, lost = [], 0
    for number in range(2000):
        before = capture.lost
        capture.write(0, b"line %d\n" % number, number)
        if capture.lost == before:
            kept.append(f"line {number}")
        lost += capture.lost != before
    monkeypatch.undo()
    assert lost > 100
    assert capture.lost_because == "the disk was full"
    capture.seal()
    shown = read_lines(path).lines
    lines = [line.text for line in shown if line.stream not in (Stream.GAP, Stream.SYSTEM)]
    assert lines[-10:] == kept[-10:]
    assert set(lines) - set(kept) == set()
    marks = [line.text for line in shown if line.stream == Stream.SYSTEM]
    assert marks and all(mark.endswith(" bytes could not be stored: the disk was full") for mark in marks)


# --- a gigabyte -----------------------------------------------------------------------------------------------------

FLOODS = {
    "many lines": "data = (b'x' * 99 + b'\\n') * 2621\nfor _ in range(4096): os.write(1, data)",
    "one line": "data = b'x' * 262144\nfor _ in range(4096): os.write(1, data)",
    "two streams": "data = (b'x' * 99 + b'\\n') * 2621\nfor n in range(4096): os.write(1 + n % 2, data)",
}


def resident() -> int:
    """KiB of memory that this process holds itself, files left out."""
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


def taken_in(launcher: LocalLauncher, path: Path, flood: str, watch: Callable[[], None]) -> tuple[int, float]:
    """Bytes that came, and seconds of processor time that the program used."""
    argv = (PYTHON, "-I", "-S", "-c", f"import os\n{FLOODS[flood]}")
    taken = 0
    with launcher.start(Spec(argv=argv, env={}, cwd=path.parent, marker=path.name)) as child:
        capture = Capture(path, 0.0)
        streams = {child.stdout: 0, child.stderr: 1}
        while streams:
            for fd in select.select(list(streams), [], [])[0]:
                data = os.read(fd, 256 * 1024)
                if data:
                    capture.write(streams[fd], data)
                else:
                    del streams[fd]
                taken += len(data)
            if taken % 40 == 0:
                watch()
        capture.seal()
        return taken, child.read_exit().cpu_seconds


@pytest.fixture
def launcher() -> Iterator[LocalLauncher]:
    made = LocalLauncher()
    yield made
    made.close()


@pytest.mark.parametrize("case", [pytest.param("many lines", marks=pytest.mark.soak), "one line", "two streams"])
def test_a_gigabyte_is_taken_in_within_ten_seconds_and_little_memory(
    launcher: LocalLauncher, path: Path, case: str
) -> None:
    """Seconds of processor time, so that it says the same on a machine that does other things, too."""
    before, most, began = resident(), [0], time.process_time()
    taken, theirs = taken_in(launcher, path, case, lambda: most.append(resident()))
    seconds = time.process_time() - began + theirs
    print(f"{case}: {taken} bytes in {seconds:.1f} s, {max(most) - before} KiB more memory")
    assert taken > 1_073_000_000
    assert seconds <= 10
    assert max(most) - before <= 32 * 1024
    assert path.stat().st_size <= 10 * 1024 * 1024 + 100
    page = read_lines(path, from_end=10)
    assert page.dropped_bytes > taken - 10 * 1024 * 1024
    assert page.total == (taken // LONGEST_LINE if case == "one line" else taken // 100)


@pytest.mark.soak
def test_ten_gigabytes_at_once_take_little_memory(launcher: LocalLauncher, tmp_path: Path) -> None:
    before, most = resident(), [0]
    paths = [tmp_path / f"run-{number}" for number in range(10)]

    def one(path: Path) -> None:
        taken_in(launcher, path, "two streams", lambda: most.append(resident()))

    threads = [threading.Thread(target=one, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{max(most) - before} KiB more memory")
    assert max(most) - before <= 32 * 1024
    assert {read_lines(path, from_end=1).total for path in paths} == {4096 * 2621}
