"""The token and a thousand stored secrets, and every place where one might turn up that it does not belong to."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from ahocorasick_rs import BytesAhoCorasick

from longhouse import loading, secrets
from longhouse.errors import LonghouseError
from longhouse.repo import quarantine, sync, transport
from longhouse.store import settings
from longhouse.store.database import Database
from longhouse.vault import Secret
from tests.git_server import FAULTS
from tests.instance import STARTER, Instance, until
from tests.longhouse.test_sync import ANN, connect, local, server, write
from tests.reliability.seeds import a_seed

__all__ = ["local", "server"]

STORED = 1_000
SPOKEN = 40
"""So many of them are given to a job that prints them."""
PLANTED = 7
"""So many more are stored nowhere: the control puts them where the scan has to find them."""
MORE_FAULTS = ("endless", "corrupt", "page", "nothing", "echo", "read only")
NEW_THERE = ("cut off", "endless", "corrupt")
"""What fails while something comes: there has to be something to come."""
SPECIAL = "äß€ '\"<>&;%+/\\$"
JOB = """
import base64, json, os, shlex, sys
from urllib.parse import quote

def talks(ctx):
    for number in range({spoken}):
        value = ctx.require_secret(f"CANARY_{{number}}")
        for said in (value, base64.b64encode(value.encode()).decode(), value.encode().hex(), quote(value), repr(value)):
            print(number, said)
        print(json.dumps(value), shlex.quote(value), file=sys.stderr)
        ctx.log.warning("with %s", value)
    ctx.state["last"] = value
    return {{"said": value}}

def fails(ctx):
    raise ValueError("cannot log in with " + ctx.require_secret("CANARY_7"))
"""
MANIFEST = (
    STARTER
    + """from jobs import talk
names = [f"CANARY_{{number}}" for number in range({spoken})]
job_registry.register(JobConfig(id="talks", func=talk.talks, secrets=names, max_attempts=1))
job_registry.register(JobConfig(id="fails", func=talk.fails, secrets=names, max_attempts=1))
"""
)


def canary(dice: random.Random, number: int) -> str:
    """Of many kinds: plain, with characters that are quoted, several lines."""
    text = base64.urlsafe_b64encode(dice.randbytes(24)).decode()
    if number % 3 == 1:
        text = "".join(char + dice.choice(SPECIAL) if at % 5 == 0 else char for at, char in enumerate(text))
    return f"{text[:16]}\n{text[16:]}" if number % 50 == 49 else text


class Scan:
    """Finds any of many values in bytes: as it is, by line, in base64, hexadecimal, quoted for addresses or JSON."""

    def __init__(self, values: list[str]) -> None:
        self._of = {form: number for number, value in enumerate(values) for form in _forms(value)}
        self._patterns = list(self._of)
        self._automaton = BytesAhoCorasick(self._patterns)
        self.seen = 0

    def hits(self, data: bytes) -> set[int]:
        self.seen += len(data)
        return {self._of[self._patterns[index]] for index, _, _ in self._automaton.find_matches_as_indexes(data)}


def _forms(value: str) -> Iterator[bytes]:
    for text in {value, *value.split("\n")}:
        raw = text.encode()
        yield raw
        yield from (raw.hex().encode(), raw.hex().upper().encode(), quote(text, safe="").encode())
        yield json.dumps(text)[1:-1].encode()
        for before in range(3):
            coded = base64.b64encode(bytes(before) + raw)[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
            yield coded
            yield coded.replace(b"+", b"-").replace(b"/", b"_")


@contextmanager
def watched(scan: Scan) -> Iterator[dict[str, set[int]]]:
    """Looks into the arguments and the environment of every process that begins meanwhile, over and over."""
    found: dict[str, set[int]] = {"hits": set(), "git": set()}
    before, known, end = set(os.listdir("/proc")), dict[str, bytes](), threading.Event()

    def look() -> None:
        while not end.wait(0.03):
            for entry in set(os.listdir("/proc")) - before:
                with suppress(OSError):
                    words = Path(f"/proc/{entry}/cmdline").read_bytes()
                    if words and known.get(entry) != words:  # a process becomes another program
                        known[entry] = words
                        found["hits"] |= scan.hits(words + Path(f"/proc/{entry}/environ").read_bytes())
                        found["git"] |= {int(entry)} if b"remote-https" in words else set()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()


def objects(git_dir: Path) -> bytes:
    """All that is in a repository, unpacked."""
    words = ["git", f"--git-dir={git_dir}", "cat-file", "--batch-all-objects", "--batch", "--buffer"]
    return subprocess.run(words, check=True, capture_output=True).stdout


def kept(house, server) -> dict[str, bytes]:
    """Every file of the data directory, and what git has compressed, here and on the remote."""
    files = {str(path): path.read_bytes() for path in house.paths.data.rglob("*") if path.is_file()}
    return files | {"our objects": objects(house.paths.git_dir), "their objects": objects(server.repo)}


def where(scan: Scan, places: dict[str, bytes]) -> dict[str, set[int]]:
    return {name: found for name, data in places.items() if (found := scan.hits(data))}


@pytest.fixture
def values(server) -> list[str]:
    """The token, the secrets that are stored, and those that are not."""
    dice = random.Random(a_seed())
    return [server.token, *(canary(dice, number) for number in range(STORED + PLANTED))]


def failing(house, server, client, monkeypatch) -> Iterator[str]:
    """Everything that was answered or raised, of one kind of failure after the other."""
    monkeypatch.setattr(transport, "STALL_SECONDS", 1)
    monkeypatch.setattr(quarantine, "LARGEST", 2**20)

    def synced(fault: str | None) -> str:
        server.fault = fault
        answer = client.post("/api/jobs/repo/sync")
        server.fault = None
        server.hook(None)
        assert answer.status_code >= 400, (fault, answer.text)
        return answer.text

    for number, fault in enumerate((*FAULTS, *MORE_FAULTS)):
        write(house, "jobs/edit.py", f"x = {number}\n")
        if fault in NEW_THERE:
            server.commit({"jobs/theirs.py": f"y = {number}\n"})
        yield synced(fault)
        if fault in (*NEW_THERE, "not fast-forward"):
            assert client.post("/api/jobs/repo/sync").json()["sync"]["state"] == "diverged"
            assert client.post("/api/jobs/repo/resolve", json={"choice": "merge"}).status_code == 200
    connect(house, server, branch="main/below", auto_push=False)
    yield synced(None)
    connect(house, server, auto_push=False)
    for url, token, more in (
        (server.url.replace("ada", "eve"), "", {}),
        (server.url.replace("127.0.0.1", "localhost") + "x", "", {}),
        ("https://127.0.0.1:1/x", "", {}),
        ("https://nowhere.invalid/x", "", {}),
        (f"https://x:{server.token}@127.0.0.1/x", "", {}),
        (server.url, " with spaces", {}),
        (server.url, "wrong", {}),
        (server.url, "", {"branch": f"--{server.token}"}),
    ):
        body = {"url": url, "token": server.token + token, **more}
        answer = client.post("/api/jobs/repo/verify", json=body)
        assert answer.status_code >= 400, body
        with pytest.raises(LonghouseError) as raised:
            sync.verify(house, url, Secret(body["token"]), more.get("branch", "main"))
        shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(raised.value.facts)
        yield answer.text + shown
    nested = client.post("/api/jobs/repo/verify", json={"url": server.url, "token": {"nested": server.token}})
    assert nested.status_code == 422
    yield nested.text


def refused_edits(house, client, values) -> Iterator[str]:
    """Files and requests that hold a stored value, on every way in."""
    for number in (1, 2, 50):
        value = values[number]
        body = {"content": f"X = {value!r}\nY = '''{value}'''\n"}
        answer = client.put("/api/jobs/repo/files/jobs/leak.py", json=body)
        assert answer.json()["code"] == "repo.secret_in_file", answer.text
        yield answer.text
        for path, given in (
            ("/api/secrets/not a name", value),
            ("/api/secrets/CANARY", [value]),
            ("/api/secrets/CANARY", "a1"),
        ):
            answer = client.put(path, json={"value": given})
            assert answer.status_code == 422
            yield answer.text
    write(house, "jobs/leak.py", f"X = '''{values[3]}'''\n")
    loading.settle(house)  # it is left out, and said
    yield client.get("/api/jobs/repo").text + client.get("/api/doctor").text
    (house.paths.tree / "jobs/leak.py").unlink()


def shown(instance: Instance, run_ids: list[int]) -> dict[str, bytes]:
    """Every answer and page that is there to be got."""
    filled = {"job_id": "talks", "run_id": str(run_ids[0]), "path": "manifest.py", "name": "CANARY_1"}
    routes = [path for path, methods in instance.get("/openapi.json")["paths"].items() if "get" in methods]
    filled["sha"] = instance.get("/api/jobs/repo")["head"]
    filled["fingerprint"] = instance.get("/api/errors")["items"][0]["fingerprint"]
    pages = "/ /jobs /runs /repo /secrets /settings /activity /errors /timeline /calendar /tokens /sessions /connect"
    more = "/banner /repo/files /metrics /jobs/talks /jobs/fails /api/activity?limit=100 /openapi.json"
    paths = [path.format_map(_Filled(filled)) for path in routes] + [*pages.split(), *more.split()]
    for run_id in run_ids:
        paths += [f"/runs/{run_id}", f"/runs/{run_id}/log", f"/api/runs/{run_id}", f"/api/runs/{run_id}/logs"]
        paths += [f"/api/runs/{run_id}/logs?format=raw", f"/api/runs/{run_id}/logs/search?q=with"]
    found: dict[str, bytes] = {}
    for path in paths:
        if not path.endswith(("/stream", "/api/events")):
            connection, headers = instance.connection()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            found[f"{answer.status} {path}"] = answer.read()
            connection.close()
    return found


class _Filled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


def test_no_place_holds_the_token_or_one_of_a_thousand_secrets(
    house, local, server, client, values, monkeypatch, caplog, capfd, proves
):
    scan, planted = Scan(values), set(range(STORED + 1, STORED + 1 + PLANTED))
    for number in range(STORED):
        secrets.put(house, f"CANARY_{number}", Secret(values[number + 1]), ANN)
    connect(house, server, auto_push=False)
    assert client.post("/api/jobs/repo/sync").status_code == 200
    environment = {"LONGHOUSE_JOBS_CA_FILE": str(server.ca_file), "NO_PROXY": "*"}
    instance = Instance(house.paths.data, env=environment, cold=True)  # what /proc shows of it is searched
    with watched(scan) as seen:
        said = list(failing(house, server, client, monkeypatch))
        kinds = len(said)
        said += refused_edits(house, client, values)
        write(house, "jobs/talk.py", JOB.format(spoken=SPOKEN))
        write(house, "manifest.py", MANIFEST.format(spoken=SPOKEN))
        loading.settle(house)
        connect(house, server, auto_push=True)
        server.fault = "401"
        house.db.close()  # reading the file of an open database in its own process takes its locks away
        try:
            instance.start()
            runs = [instance.ended(instance.run(job)["id"]) for job in ("talks", "fails")]
            until(lambda: "sync failed" in instance.log, what="the log tells of a failed sync")
            answers = shown(instance, [run["id"] for run in runs])
            alive = kept(house, server)
        finally:
            instance.stop()
    assert [run["state"] for run in runs] == ["succeeded", "failed"]
    printed = answers[f"200 /api/runs/{runs[0]['id']}/logs?format=raw"].decode()
    assert printed.count("••••") >= SPOKEN * 5, printed[:500]
    pages = [name for name in answers if name.startswith("200 ")]
    assert len(pages) > 60 and kinds >= 20 and seen["git"] and seen["hits"] == set()
    assert any(name.endswith("-wal") for name in alive) and len(alive) > 100
    places = {**{f"alive: {name}": data for name, data in alive.items()}, **kept(house, server), **answers}
    places |= {"said": "\n".join(said).encode(), "our log": caplog.text.encode(), "its log": instance.log.encode()}
    places["printed"] = "".join(capfd.readouterr()).encode()
    assert where(scan, places) == {}
    found = control(house, server, scan, values)
    assert found == planted, f"{planted - found} not found"
    proves(
        "P42",
        figure=f"0 hits of the token and {STORED:,} secrets in {len(places):,} places ({scan.seen / 2**20:,.0f} MiB: "
        f"database, WAL, logs, output, objects of git, {len(pages)} answers and pages, errors, arguments of processes) "
        f"after {kinds} kinds of failing git operation",
        control=f"{PLANTED} planted ones: {len(found)} found",
    )


def control(house, server, scan: Scan, values: list[str]) -> set[int]:
    """Values put into places that have been looked through, and which of them the same look finds there."""
    one, two, three, four, five, six, seven = values[-PLANTED:]
    (house.paths.output / "leak").mkdir(parents=True)
    (house.paths.output / "leak" / "out").write_bytes(b"before " + base64.b64encode(b"u:" + one.encode()) + b" behind")
    database = Database(house.paths.database)
    with database.write() as db:
        settings.put(db, "leak", two)
    database.close()
    words = ("hash-object", "-w", "--stdin")
    for git_dir, value in ((house.paths.git_dir, three), (server.repo, four)):
        subprocess.run(["git", f"--git-dir={git_dir}", *words], input=value.encode(), check=True, capture_output=True)
    backups = house.paths.data / "backups"
    backups.mkdir(exist_ok=True)
    (backups / "copy").write_text(quote(five, safe=""))
    (house.paths.tree / "jobs" / "hex.txt").write_text(six.encode().hex())
    found = set().union(*where(scan, kept(house, server)).values())
    with watched(scan) as seen:
        process = subprocess.Popen([sys.executable, "-c", "input()", seven], stdin=subprocess.PIPE)
        until(lambda: seen["hits"], what="the argument in /proc")
        process.communicate(b"\n")
    return found | seen["hits"]
