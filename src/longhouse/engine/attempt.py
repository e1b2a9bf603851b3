"""One attempt of one run, from its checkout to its one ending. Each has a thread of its own."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from longhouse import queue, secrets
from longhouse.clock import iso
from longhouse.engine import verdict
from longhouse.engine.capture import Capture
from longhouse.engine.notes import Notes
from longhouse.engine.verdict import Stop
from longhouse.errors import Invalid, LonghouseError, StorageFull, Unavailable
from longhouse.frames import Stream
from longhouse.house import House
from longhouse.launch.conversation import Inbox
from longhouse.launch.local import Child, Exit
from longhouse.launch.python import python_spec
from longhouse.logs import Log
from longhouse.masking import Masker
from longhouse.queue import Claimed, Ending
from longhouse.repo import bootstrap
from longhouse.repo.checkouts import checkout
from longhouse.runs.state import RunState
from longhouse.store.faults import NO_SPACE
from zerg._wire import BadMessage, Finished, RunJob, encode

log = Log("longhouse.attempt")
T = TypeVar("T")

READ_BYTES = 256 * 1024
SETTLE_SECONDS = 0.2
"""How long the beginning of a line waits for its end."""
LOOK_SECONDS = 2.0
"""How often the times are looked at while nothing comes: a stop sets new ones."""
TELL_SECONDS = 0.05
"""Readers of a live log are woken at most this often."""
RECORD_AGAIN_SECONDS = 1.0
OVERDUE_SECONDS = 3.0
"""After the grace: then whoever watches over the processes is killed as well."""
DRAIN_SECONDS = 2.0
"""After the end of all processes, for what is still in the pipes."""


@dataclass
class Attempt:
    house: House
    claimed: Claimed
    ended: Callable[[int], None]
    """Called with the run's id when the attempt is over and recorded."""
    _child: Child | None = None
    _stop: Stop | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kill_at: float = float("inf")
    _notes: Notes | None = None
    _masker: Masker = field(default_factory=Masker)

    def start(self) -> None:
        threading.Thread(target=self._whole, name=f"run-{self.claimed.run.id}", daemon=True).start()

    def stop(self, why: Stop) -> None:
        """End it: TERM, grace, KILL. From any thread, at any time; the first reason counts."""
        with self._lock:
            if self._stop is not None:
                return
            self._stop = why
            self._kill_at = self.house.clock.monotonic() + self.house.grace_seconds + OVERDUE_SECONDS
            if self._child is not None:
                self._child.stop(self.house.grace_seconds)

    # --- the whole ----------------------------------------------------------------------------------------------------

    def _whole(self) -> None:
        run = self.claimed.run
        path = self.house.paths.output / self.claimed.output
        try:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._masker = secrets.masker(self.house)
                capture = Capture(path, self.house.clock.monotonic(), self.house.clock, self._masker)
            except OSError as error:
                ending = verdict.not_started(f"its output cannot be stored: {_why(error)}", self._stop)
            else:
                ending = self._captured(capture)
            self._until_written(lambda: self._record(ending))
        except LonghouseError as error:  # the next start finds the attempt and ends it
            log.error("the end of an attempt could not be recorded", run=run.id, because=error.message)
        finally:
            self.house.feed.publish(f"log:{run.id}")
            self.ended(run.id)

    def _captured(self, capture: Capture) -> Ending:
        try:
            ending = self._guarded(capture)
            if ending.state is not RunState.SUCCEEDED and ending.message:
                capture.system(ending.message)
            with contextlib.suppress(OSError):  # on a full disk the end counts, not its last words
                capture.seal()
        finally:
            capture.close()
        if capture.lost:
            lost = f"{capture.lost:,} bytes of its output could not be stored: {capture.lost_because}."
            ending = replace(ending, message=f"{ending.message} {lost}".strip())
        return ending

    def _record(self, ending: Ending) -> None:
        if self._notes is not None:
            self._notes.keep()
        queue.finish(self.house, self.claimed.run.id, self.claimed.attempt, ending)

    def _until_written(self, act: Callable[[], T]) -> T:
        """`act` again and again while the disk is full or the database locked: what got lost would have the job run
        again. Raises what it raised when the server stops meanwhile."""
        while True:
            try:
                return act()
            except (StorageFull, Unavailable):
                if self.house.feed.closing.wait(RECORD_AGAIN_SECONDS):
                    raise

    def _guarded(self, capture: Capture) -> Ending:
        """Whatever goes wrong around the job becomes this attempt's ending, with its sentence."""
        work = self.house.paths.work / f"{self.claimed.run.id}-{self.claimed.attempt}"
        try:
            with self.house.db.read() as db:
                missing = secrets.missing(db, self.claimed.spec)
            if missing:
                return verdict.secrets_missing(missing)
            work.mkdir(parents=True, mode=0o700)
            return self._run(capture, work)
        except LonghouseError as error:
            return verdict.not_started(f"{error.message}. {error.hint}", self._stop)
        except OSError as error:
            return verdict.not_started(_why(error), self._stop)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _run(self, capture: Capture, work: Path) -> Ending:
        run, spec, paths = self.claimed.run, self.claimed.spec, self.house.paths
        assert run.commit_sha is not None
        tree = checkout(bootstrap.opened(paths), paths.checkouts, run.commit_sha)
        _, interpreter = self.house.environments.of(tree, spec.source_file)
        artifacts = paths.artifacts / str(run.id) / str(self.claimed.attempt)
        artifacts.mkdir(parents=True, exist_ok=True)
        self._notes = notes = Notes(self.house, self.claimed, artifacts, capture, self._masker)
        request = RunJob(
            tree=str(tree),
            job_id=run.job_id,
            module=spec.module,
            function=spec.function,
            run_id=run.id,
            attempt=self.claimed.attempt,
            due=iso(run.due) if run.due is not None else None,
            params=run.params,
            secrets=secrets.of_job(self.house, spec),
            state=notes.state(),
            artifacts=str(artifacts),
            debug=run.debug,
        )
        try:
            asked = encode(request)
        except ValueError as error:
            raise Invalid(f"its parameters and its state do not go over: {error}") from error
        child = self.house.launcher.start(
            python_spec(
                interpreter,
                self.house.sdk,
                cwd=work,
                marker=f"{self.house.owner}/{run.id}/{self.claimed.attempt}",
                zone=spec.timezone or self.house.zone,
                memory_mb=spec.memory_mb,
            )
        )
        with child:
            if not self._until_written(
                lambda: queue.started(
                    self.house,
                    run.id,
                    self.claimed.attempt,
                    pid=child.pid,
                    ticks=child.started_ticks,
                    boot_id=child.boot_id,
                )
            ):
                child.kill()
            with self._lock:
                self._child = child
                if self._stop is not None:
                    child.stop(self.house.grace_seconds)
            try:
                final, end = self._attend(child, asked, capture, notes)
            except BaseException:
                child.kill()
                child.read_exit()  # nothing of it is left when the run is tried again
                raise
            finally:
                with self._lock:
                    self._child = None
        with contextlib.suppress(OSError):
            artifacts.rmdir()  # when the job left none
        return verdict.of(end, final, spec=spec, stop=self._stop, grace_seconds=self.house.grace_seconds)

    # --- while it runs ------------------------------------------------------------------------------------------------

    def _attend(self, child: Child, request: bytes, capture: Capture, notes: Notes) -> tuple[Finished | None, Exit]:
        """Take in all that comes out of the child until nothing of it is left; the timeout is kept here."""
        clock = self.house.clock
        began = clock.monotonic()
        deadline = began + self.claimed.spec.timeout_seconds
        with contextlib.suppress(OSError):
            child.messages.sendall(request)
        poll, inbox = select.poll(), Inbox()
        sources = {child.stdout: Stream.OUT, child.stderr: Stream.ERR, child.messages.fileno(): Stream.LOG}
        for fd in (*sources, child.exit.fileno()):
            poll.register(fd, select.POLLIN)
        final: Finished | None = None
        end: Exit | None = None
        told, fresh = began, False
        while sources or end is None:  # a job may close all it got from us, and go on
            now = clock.monotonic()
            if end is None and now >= deadline:
                self.stop(Stop.TIMED_OUT)
            if end is None and now >= self._kill_at:
                child.kill()
                self._kill_at = now + OVERDUE_SECONDS
            if end is not None and now >= deadline:
                break  # somebody outside the tree holds the pipes
            until = min(
                deadline if self._stop is None or end else self._kill_at,
                now + (SETTLE_SECONDS if fresh else LOOK_SECONDS),
            )
            for fd, _ in poll.poll(max(1, int((until - now) * 1000))):
                if fd == child.exit.fileno():
                    poll.unregister(fd)
                    end = child.read_exit()
                    deadline = clock.monotonic() + DRAIN_SECONDS
                    continue
                data = _read(fd)
                if not data:
                    poll.unregister(fd)
                    del sources[fd]
                elif sources[fd] is Stream.LOG:
                    try:
                        final = notes.take(inbox.feed(data)) or final
                    except BadMessage as problem:
                        capture.system(f"The job disturbed its own connection: {problem}")
                        child.kill()
                        poll.unregister(fd)
                        del sources[fd]
                else:
                    capture.write(sources[fd], data)
                    fresh = True
            if fresh and clock.monotonic() - told >= TELL_SECONDS:
                told = clock.monotonic()
                fresh = capture.settle()
                self.house.feed.publish(f"log:{self.claimed.run.id}")
        capture.ended()
        notes.flush()
        return final, end or child.read_exit()


def _why(error: OSError) -> str:
    """Without a path: the sentence is shown to whoever may see the run."""
    return "the disk is full" if error.errno in NO_SPACE else error.strerror or str(error)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, READ_BYTES)
    except ConnectionError:
        return b""
