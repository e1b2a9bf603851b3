"""Files below a folder, reached so that no link leads out of it, and replaced so that nobody's bytes are lost.

The kernel resolves a path in one step and refuses links and `..` (openat2); where it cannot, every folder is opened by
itself and must not be a link. What is done to a file is done in its open folder, whatever is swapped meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

OPENAT2 = 437
"""The same number on every architecture."""
NO_MAGICLINKS, NO_SYMLINKS, BENEATH = 0x02, 0x04, 0x08
EXCHANGE = 2
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
TEMPORARY = ".longhouse.swp"
"""How the names of our unfinished files end: no watch and no commit sees them."""
TRIES = 100
FEW = 16
"""Files that are flushed to the disk one by one; more of them together."""
IN_THE_WAY = frozenset((errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EXDEV, errno.ENOTEMPTY))
"""Somebody put a link or a folder where a file was to be."""
WRITER_SECONDS = 2.0
"""How long somebody who is in the middle of writing a file is waited for."""


@dataclass(frozen=True, eq=False)
class Put:
    """What shall become of a file."""

    path: str
    data: bytes | None
    """None: it goes away."""
    before: bytes | None
    """What it has to hold for that; None: it is not there."""
    executable: bool = False

    @property
    def mode(self) -> int:
        return 0o755 if self.executable else 0o644


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_LIBC = ctypes.CDLL(None, use_errno=True)


def read(root: Path, path: str, limit: int) -> bytes | None:
    """The bytes of a plain file, None if nothing is there. Raises OSError: ELOOP for a link, EFBIG over `limit`."""
    try:
        with _folder(root, path) as (folder, name):
            handle = _open(folder, name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    with open(handle, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return data


def put(root: Path, path: str, data: bytes | None, before: bytes | None, *, executable: bool = False) -> bool:
    """Make the file hold `data` (None: be gone) if it holds `before` (None: is not there); True when it does now.

    Whole or not at all, and on disk when this returns. Somebody else's bytes, written up to the last moment, stay.
    """
    return _put(root, Put(path, data, before, executable))


def put_all(root: Path, puts: Sequence[Put]) -> None:
    """Each as `put` does it, but that a link or a folder in the way of one is newer, too, and stays.

    More than a few are flushed to the disk together, before the first takes its place and after the last: one by one,
    thousands of them would take minutes on a busy disk.
    """
    if len(puts) <= FEW:
        for each in puts:
            with _what_is_in_the_way_stays():
                _put(root, each)
        return
    ready: dict[Put, str] = {}
    try:
        for each in puts:
            if each.data is not None:
                try:
                    with _what_is_in_the_way_stays(), _folder(root, each.path, make=True) as (folder, _):
                        ready[each] = _temporary()
                        _create(folder, ready[each], each.data, each.mode, synced=False)
                except FileNotFoundError:  # somebody removed the folder just now: it is made again below, or stays gone
                    ready.pop(each, None)
        _flush(root)
        for each in puts:
            with _what_is_in_the_way_stays():
                _put(root, each, ready.get(each), last=False)
        _flush(root)
    finally:
        for each, temporary in ready.items():
            with suppress(OSError), _folder(root, each.path) as (folder, _):
                os.unlink(temporary, dir_fd=folder)


def sweep(root: Path) -> None:
    """Remove unfinished files that a crash left."""
    for current, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith(TEMPORARY):
                with suppress(OSError):
                    os.unlink(os.path.join(current, name))


def _put(root: Path, put: Put, ready: str | None = None, *, last: bool = True) -> bool:
    """`ready` is the name of an unfinished file that has the bytes; `last`: nobody else sees that they are on disk."""
    temporary = ready or _temporary()
    try:
        with _folder(root, put.path, make=put.data is not None) as (folder, name):
            try:
                if put.data is not None and ready is None:
                    _create(folder, temporary, put.data, put.mode, synced=True)
                done = _placed(folder, name, temporary, put.data, put.before)
                if last:
                    os.fsync(folder)
            finally:
                with suppress(FileNotFoundError, IsADirectoryError):
                    os.unlink(temporary, dir_fd=folder)
    except FileNotFoundError:  # the folder is gone, or the file that was to be replaced
        return put.data is None and put.before is None
    return done


def _temporary() -> str:
    return f".{secrets.token_hex(6)}{TEMPORARY}"


@contextmanager
def _what_is_in_the_way_stays() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in IN_THE_WAY:
            raise


def _flush(root: Path) -> None:
    """All that was written in the file system of this folder."""
    handle = os.open(root, FOLDER)
    try:
        if _LIBC.syncfs(handle) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(root))
    finally:
        os.close(handle)


def _placed(folder: int, name: str, temporary: str, data: bytes | None, before: bytes | None) -> bool:
    if data is None:
        return _remove(folder, name, temporary, before)
    if before is None:
        with suppress(FileExistsError):
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            return True
        return False
    expected: bytes | None = before
    placed: bytes | None = data
    while _exchange(folder, temporary, name):
        came_out = _rested(folder, temporary)
        if came_out == expected:
            return placed is data
        expected, placed = placed, came_out  # theirs is newer than what stands there now: it goes back
    if _rested(folder, name) != expected:
        return False
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    return placed is data


def _remove(folder: int, name: str, temporary: str, before: bytes | None) -> bool:
    try:
        os.rename(name, temporary, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        return before is None
    if _rested(folder, temporary) == before:
        return True
    with suppress(FileExistsError):  # who wrote the name anew meanwhile is newer
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    return False


def _create(folder: int, name: str, data: bytes, mode: int, *, synced: bool) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    with open(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        if synced:
            os.fsync(handle)


def _rested(folder: int, name: str) -> bytes | None:
    """The file's bytes once nobody has it open for writing, as far as the kernel tells; None if there is no file."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    with open(handle, "rb") as file:
        end = time.monotonic() + WRITER_SECONDS
        while not _lease(handle) and time.monotonic() < end:
            time.sleep(0.001)
        return file.read()


def _lease(handle: int) -> bool:
    """A read lease is granted when nobody writes. It ends with the file; where there are none, nobody is waited for."""
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno != errno.EAGAIN
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def _exchange(folder: int, one: str, other: str) -> bool:
    """Swap two names in one step. False where the file system or the C library cannot. Raises FileNotFoundError."""
    swap = getattr(_LIBC, "renameat2", None)
    if swap is not None and swap(folder, os.fsencode(one), folder, os.fsencode(other), EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if swap is None or code in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(code, os.strerror(code), other)


@contextmanager
def _folder(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that holds `path`, made if asked for, and the file's name in it."""
    *parents, name = path.split("/")
    here = os.open(root, FOLDER)
    try:
        for depth in range(len(parents) if make else 0):
            _make(here, parents[: depth + 1])
        there = _open(here, "/".join(parents), FOLDER) if parents else os.dup(here)
    finally:
        os.close(here)
    try:
        yield there, name
    finally:
        os.close(there)


def _make(root: int, parts: list[str]) -> None:
    above = _open(root, "/".join(parts[:-1]), FOLDER) if parts[:-1] else os.dup(root)
    try:
        os.mkdir(parts[-1], 0o755, dir_fd=above)
        os.fsync(above)
    except FileExistsError:
        pass
    finally:
        os.close(above)


def _open(root: int, path: str, flags: int) -> int:
    how = _How(flags, 0, BENEATH | NO_SYMLINKS | NO_MAGICLINKS)
    for _ in range(TRIES):
        handle = int(
            _LIBC.syscall(OPENAT2, root, ctypes.c_char_p(os.fsencode(path)), ctypes.byref(how), ctypes.sizeof(how))
        )
        if handle >= 0:
            return handle
        code = ctypes.get_errno()
        if code in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a sandbox that has not heard of it
            return _walk(root, path, flags)
        if code != errno.EAGAIN:  # something on the way was renamed while the kernel looked
            break
    raise OSError(code, os.strerror(code), path)


def _walk(root: int, path: str, flags: int) -> int:
    *parents, name = path.split("/")
    if ".." in (*parents, name) or path.startswith("/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    here = os.dup(root)
    try:
        for part in parents:
            here, above = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=here), here
            os.close(above)
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)
