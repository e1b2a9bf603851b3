"""Two hundred open streams of events: what they add while nothing happens, and while something does."""

import selectors
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection

from tests.instance import Instance, until

from bench.instance import Figure, instance, processor_seconds

STREAMS = 200
SECONDS = 20
JOB = """from zerg.jobs import JobConfig, job_registry
from jobs.quiet import run
job_registry.register(JobConfig(id="quiet", func=run))
"""


def main() -> None:
    for figure in measured():
        print(figure.line(), flush=True)


def measured() -> Iterator[Figure]:
    with instance() as one, ExitStack() as opened:
        one.start()
        one.manifest(JOB, quiet="def run():\n    pass\n")
        readers = Readers()
        alone = [share(one, readers, events=events) for events in (0, SECONDS)]
        for _ in range(STREAMS):
            readers.add(opened.enter_context(closing(stream(one))))
        readers.drain()
        idle = share(one, readers, events=0) - alone[0]
        yield Figure(f"{STREAMS} open streams, nothing happens", idle * 100, "% of a core", 10)
        before = readers.told
        busy = share(one, readers, events=SECONDS) - alone[1]
        told = (readers.told - before) / STREAMS
        yield Figure(
            f"{STREAMS} open streams, a job is switched every second",
            busy * 100,
            "% of a core",
            10,
            f"   {told / SECONDS:,.1f} events a second to each; without streams {alone[1] * 100:,.1f} %",
        )


def stream(one: Instance) -> HTTPConnection:
    connection, headers = one.connection()
    connection.request("GET", "/api/events", headers=headers)
    connection.sock.setblocking(False)
    return connection


class Readers:
    """What 200 browsers would do with what they are told: take it."""

    def __init__(self) -> None:
        self._ready = selectors.DefaultSelector()
        self.told = 0

    def add(self, connection: HTTPConnection) -> None:
        self._ready.register(connection.sock, selectors.EVENT_READ)

    def drain(self, seconds: float = 1.0) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self._ready.get_map():
                time.sleep(left)
                return
            for key, _ in self._ready.select(left):
                data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                if not data:
                    raise AssertionError("a stream has ended")
                self.told += data.count(b"\nid: ") + data.startswith(b"id: ")


def share(one: Instance, readers: Readers, *, events: int) -> float:
    """Cores in use while so many events happen, evenly over the time."""
    until(lambda: not one.get("/api/overview")["active"]["running"], what="nothing runs")
    began, used = time.monotonic(), processor_seconds(one)
    for number in range(SECONDS):
        if events:
            one.post(f"/api/jobs/quiet/{'disable' if number % 2 == 0 else 'enable'}")
        readers.drain(max(0.0, began + number + 1 - time.monotonic()))
    return (processor_seconds(one) - used) / (time.monotonic() - began)


if __name__ == "__main__":
    main()
