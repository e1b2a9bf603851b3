"""P26: a stop of the server ends running jobs honestly; a drain waits for them; a storm of restarts loses nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.instance import STARTER, Instance, processes_with, until
from tests.reliability.test_p20_trees import seeded

LIVE = 50
WAITING = 3

TALKS = r"""
import os, signal, time

def run(ctx, folder: str, gate: str, deaf: bool, fails_second: bool):
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    notes = os.open(f"{folder}/{ctx.run_id}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(notes, f"began {ctx.attempt}\n".encode())
    number = 0
    while not os.path.exists(gate) and ctx.attempt == 1:
        number += 1
        os.write(1, f"line {number}\n".encode())
        os.write(notes, f"line {number}\n".encode())  # only what was printed is noted
        time.sleep(0.1)
    if fails_second and ctx.attempt == 2:
        raise ValueError("the second time")
"""
JOBS = """
from jobs.talks import run
base = {"folder": FOLDER, "gate": FOLDER + "/gate", "deaf": False, "fails_second": False}
for job_id, attempts, params in (
    ("twice", 2, {}), ("deaf", 2, {"deaf": True}), ("unlucky", 2, {"fails_second": True}), ("once", 1, {}),
):
    job_registry.register(JobConfig(
        id=job_id, func=run, max_attempts=attempts, retry_delay_seconds=0.1, overlap="allow", params={**base, **params}
    ))
"""


class Talking:
    """An instance with jobs that print and note what they have printed, until a gate opens."""

    def __init__(self, folder: Path, slots: int) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.instance = Instance(folder / "data", args=("--slots", str(slots)))

    def start(self) -> None:
        self.instance.start()
        self.instance.manifest(STARTER + JOBS.replace("FOLDER", repr(str(self.notes))), talks=TALKS)

    def go(self, job_id: str, count: int) -> list[int]:
        return [self.instance.run(job_id)["id"] for _ in range(count)]

    def talking(self, ids: list[int]) -> None:
        until(lambda: all("line 2" in self.noted(each) for each in ids), seconds=60, what="all print")

    def noted(self, run_id: int) -> list[str]:
        path = self.notes / str(run_id)
        return path.read_text().splitlines() if path.exists() else []

    def open(self) -> None:
        (self.notes / "gate").touch()

    def missing(self, run_id: int) -> int:
        """Lines that the first attempt has printed and that are not in its log, or not in their order."""
        items = self.instance.get(f"/api/runs/{run_id}/logs?attempt=1&stream=out&limit=10000")["items"]
        found = [item["text"] for item in items]
        noted = [line for line in self.noted(run_id) if line.startswith("line")]
        assert found == [f"line {n}" for n in range(1, len(found) + 1)], (run_id, found)
        return len(set(noted) - set(found))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[int], Talking]]:
    instances: list[Talking] = []

    def make(slots: int) -> Talking:
        folder = tmp_path / str(len(instances))
        folder.mkdir()
        instances.append(Talking(folder, slots))
        instances[-1].start()
        return instances[-1]

    yield make
    for each in instances:
        each.instance.kill()


def told(run: dict[str, Any]) -> list[tuple[int, str | None]]:
    return [(row["attempt"], row["reason"]) for row in run["attempts"]]


def test_a_stop_with_fifty_live_runs(made: Callable[[int], Talking], proves: Callable[..., None]) -> None:
    house = made(LIVE)
    groups = {"twice": 25, "deaf": 10, "unlucky": 10, "once": 5}
    assert sum(groups.values()) == LIVE
    ids = {job_id: house.go(job_id, count) for job_id, count in groups.items()}
    every = [each for found in ids.values() for each in found]
    house.talking(every)
    took = house.instance.stop()
    assert took <= 8  # a loaded machine; the figure is in the table
    assert processes_with(str(house.instance.data)) == []
    house.instance.start()
    runs = {each: house.instance.ended(each, seconds=60) for each in every}
    for each in ids["twice"] + ids["deaf"]:
        assert (runs[each]["state"], told(runs[each])) == ("succeeded", [(1, "interrupted"), (2, None)])
    for each in ids["unlucky"]:  # two tries of its own, and one that we ended
        assert told(runs[each]) == [(1, "interrupted"), (2, "exception"), (3, None)]
        assert runs[each]["state"] == "succeeded"
    for each in ids["once"]:
        assert (runs[each]["state"], told(runs[each])) == ("failed", [(1, "interrupted")])
    begun = Counter((each, line) for each in every for line in house.noted(each) if line.startswith("began"))
    assert max(begun.values()) == 1, "an attempt began twice"
    assert sum(begun.values()) == sum(len(run["attempts"]) for run in runs.values())
    missing = sum(house.missing(each) for each in every)
    assert missing == 0
    # Control: without the stop's word for it, an ended attempt costs a try.
    harsh = made(3)
    killed = harsh.go("unlucky", 3)
    harsh.talking(killed)
    harsh.instance.kill()
    harsh.instance.start()
    lost = [told(harsh.instance.ended(each)) for each in killed]
    assert lost == [[(1, "interrupted"), (2, "exception")]] * 3
    proves(
        "P26",
        figure=f"SIGTERM with {LIVE} live runs: gone after {took:.1f} s (goal 4), 0 lost, 0 doubled, "
        f"{missing} lines missing in {LIVE} logs, tries kept",
        control=f"kill -9 instead: {len(lost)} of {len(killed)} runs lost a try",
    )


def spawned(house: Talking, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "longhouse", "--data-dir", str(house.instance.data), "stop", *words]
    return subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_drain_waits_for_fifty_live_runs(made: Callable[[int], Talking], proves: Callable[..., None]) -> None:
    house = made(LIVE)
    live = house.go("twice", LIVE)
    house.talking(live)
    waiting = house.go("once", WAITING)
    assert "The server is being stopped" not in page(house.instance)
    with spawned(house, "--drain") as command:
        until(lambda: house.instance.get("/api/stop")["draining"])
        standing = house.instance.get("/api/stop")
        assert (standing["running"], standing["stopping"]) == (LIVE, False)
        status, ready = house.instance.request("GET", "/readyz?verbose")
        assert (status, "draining" in str(ready)) == (503, True)
        assert f"{LIVE} runs go on; it stops when the last has ended" in page(house.instance)
        waiting += house.go("twice", 1)  # what is accepted now waits for the next start
        house.open()
        out, err = command.communicate(timeout=60)
        assert (command.returncode, out) == (0, "stopped\n"), err
        assert f"waiting for {LIVE} runs to end" in err
    assert house.instance.exit_code() == 0
    assert all(house.noted(each) == [] for each in waiting), "something started while it drained"
    house.instance.start()
    runs = [house.instance.ended(each) for each in live + waiting]
    assert {run["state"] for run in runs} == {"succeeded"}
    assert {tuple(told(run)) for run in runs} == {((1, None),)}
    missing = sum(house.missing(each) for each in live)
    assert missing == 0
    proves("P26", figure=f"drain with {LIVE} live runs: all succeeded at their first attempt, {len(waiting)} waited")


def test_a_second_stop_ends_a_drain_and_a_timeout_ends_only_the_waiting(made: Callable[[int], Talking]) -> None:
    house = made(2)
    [run_id] = house.go("twice", 1)
    house.talking([run_id])
    with spawned(house, "--drain", "--timeout", "0.3", "--json") as command:
        out, err = command.communicate(timeout=30)
    assert (command.returncode, out) == (124, "")
    assert "longhouse-jobs stop" in json.loads(err)["hint"]
    assert house.instance.get("/api/stop")["draining"]
    with spawned(house, "--json") as second:
        out, err = second.communicate(timeout=30)
    assert (second.returncode, json.loads(out)["stopped"]) == (0, True), err
    assert house.instance.exit_code() == 0
    assert house.instance.cli("stop").returncode == 6
    house.instance.start()
    assert told(house.instance.ended(run_id)) == [(1, "interrupted"), (2, None)]


def page(instance: Instance, path: str = "/jobs") -> str:
    """A page, as a browser sees it that has used a login link."""
    code = instance.post("/api/login-links")["url"].partition("code=")[2]
    connection, _ = instance.connection()
    try:
        ours = {"Origin": f"http://{connection.host}:{connection.port}", "Sec-Fetch-Site": "same-origin"}
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        connection.request("POST", "/login", f"code={code}&next=/", {**ours, **form})
        answer = connection.getresponse()
        answer.read()
        cookie = str(answer.getheader("Set-Cookie")).partition(";")[0]
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_storm_of_restarts_loses_and_doubles_nothing(
    made: Callable[[int], Talking], proves: Callable[..., None]
) -> None:
    storm(made, proves, restarts=4)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_long_storm_of_restarts(made: Callable[[int], Talking], proves: Callable[..., None]) -> None:
    storm(made, proves, restarts=200)


def storm(made: Callable[[int], Talking], proves: Callable[..., None], *, restarts: int) -> None:
    chance, house = random.Random(seeded()), made(4)
    ids: list[int] = []
    stopped_with_live = 0
    for _ in range(restarts):
        ids += house.go("twice", 1) + house.go("deaf", chance.randint(0, 1))
        time.sleep(chance.random() * 0.1)  # any moment: this is no waiting for something
        stopped_with_live += house.instance.get("/api/stop")["running"] > 0
        house.instance.stop()
        house.instance.start()
    house.open()
    runs = [house.instance.ended(each, seconds=60) for each in ids]
    assert {run["state"] for run in runs} == {"succeeded"}
    begun = Counter((each, line) for each in ids for line in house.noted(each) if line.startswith("began"))
    assert max(begun.values()) == 1
    attempts = [row for run in runs for row in run["attempts"]]
    assert all(sum(row["reason"] is None for row in run["attempts"]) == 1 for run in runs)
    interrupted = sum(row["reason"] == "interrupted" for row in attempts)
    assert stopped_with_live > restarts / 2
    proves(
        "P26",
        figure=f"{restarts} quick restarts, {len(ids)} runs accepted between them, {interrupted} attempts interrupted: "
        "0 lost, 0 doubled",
    )
