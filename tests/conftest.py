"""What the tests of the instance share: a house on a temporary folder, and a clock set by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import settings
from starlette.testclient import TestClient

from longhouse import accounts, api, config, doors, serving, web
from longhouse.cli import root
from longhouse.cli.call import Call
from longhouse.cli.instance import Instance as ServerOf
from longhouse.cli.instance import Refused
from longhouse.house import SYSTEM, House
from longhouse.launch.sdk import sdk
from longhouse.store import jobs as job_rows
from tests.house import opened
from tests.instance import Instance
from zerg._wire import JobDescription

pytest_plugins = ["tests.reliability.table"]

settings.register_profile("ours", deadline=None, print_blob=True)
settings.load_profile("ours")
"""Other tests run beside: how long one example takes says nothing."""

LONG = (
    "tests/browser/test_accessible.py::test_every_page_is_accessible",
    "tests/browser/test_hostile.py",
    "tests/browser/test_connecting.py",
    "tests/growth/test_growth_same_output.py",
    "tests/reliability/test_p01_power_cut.py",
    "tests/reliability/test_p02_kills.py",
    "tests/reliability/test_p15_clock.py",
    "tests/reliability/test_p26_stop.py",
    "tests/reliability/test_p27_full_disk.py",
    "tests/reliability/test_p37_sync.py",
    "tests/reliability/test_p38_diverged.py",
    "tests/reliability/test_p42_canaries.py",
    "tests/spec/test_api.py::test_generated_requests_find_nothing",
)
"""Fifteen seconds and more. Each worker of pytest begins with its share of them: two in a row at the end would keep one
of them busy for minutes while the others have nothing to do."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker gets a piece of the list, all of the same length, and takes from the others' when it is done."""
    long = [[item for item in items if item.nodeid.startswith(name)] for name in LONG]
    rest = [item for item in items if not item.nodeid.startswith(LONG)]
    workers, total = getattr(config, "workerinput", {}).get("workercount", 1), len(items)
    items.clear()
    for worker in range(workers):
        piece = (total - len(items)) // (workers - worker)
        first = [item for group in long[worker::workers] for item in group]
        room = max(0, piece - len(first))
        items += first + rest[:room]
        del rest[:room]
    items += rest


START = 1_770_192_000_000
"""2026-02-04T08:00:00Z"""


class HandClock:
    """Time stands still until a test moves it."""

    def __init__(self, now: int = START) -> None:
        self.ms = now
        self.seconds = 1_000.0

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        self.seconds += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def sdk_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What children import: made once, nobody writes there."""
    return sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture
def house(tmp_path: Path, clock: HandClock, sdk_copy: Path) -> Iterator[House]:
    """An instance without a server: its database, keys and clock are real, nothing runs."""
    with opened(tmp_path / "data", clock, sdk=sdk_copy) as found:
        told(found)
        yield found


def told(house: House, **flags: Any) -> list[int]:
    """Settings as a server would have handed them to the house; grows by what the runner is told about slots."""
    resized: list[int] = []
    environ = {"LONGHOUSE_JOBS_TIMEZONE": house.zone}
    serving.follow(house, config.load({"data_dir": house.paths.data, **flags}, environ=environ), resized.append)
    return resized


BASE = "http://localhost:4747"
FROM_A_PAGE = {"Origin": BASE, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}

# --- over HTTP ------------------------------------------------------------------------------------------------------


def job_spec(id: str = "daily-digest", **settings: Any) -> JobDescription:
    """A job as the manifest would describe it: 8 o'clock daily, unless told otherwise."""
    values = {
        "module": "jobs.daily",
        "function": "run",
        "file": "manifest.py",
        "line": 4,
        "source_file": "jobs/daily.py",
        "source_line": 1,
        "cron": "0 8 * * *",
        "description": "Send my daily summary.",
    }
    return JobDescription(id=id, **{**values, **settings})


@pytest.fixture
def add_job(house: House) -> Callable[..., None]:
    """`add_job("nightly", cron="0 3 * * *")`: as if a manifest with this job had been loaded."""

    def add(id: str = "daily-digest", *, enabled: bool = True, **settings: Any) -> None:
        spec = job_spec(id, **settings)
        with house.db.write() as db:
            job_rows.put(db, spec, enabled=enabled, commit="c0ffee" * 6 + "beef", environment="", now=START)

    return add


@pytest.fixture
def app(house: House) -> FastAPI:
    """All routes of the API behind all doors."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, version="0.1.0")
    api.install(app)
    doors.install(app, house=house, allowed_hosts=["jobs.example.test"], trusted_proxies=["10.9.8.0/24"])
    return app


@pytest.fixture
def anonymous(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost:4747", follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(anonymous: TestClient, house: House) -> TestClient:
    """Calls with a token that may do everything."""
    anonymous.headers["Authorization"] = f"Bearer {accounts.machine_token(house)}"
    return anonymous


class Browser:
    """Somebody who has signed in, with the token that forms carry."""

    def __init__(self, house: House, client: TestClient) -> None:
        self._client = client
        link = accounts.login_link(house, BASE, SYSTEM)
        client.post("/login", data={"code": link.partition("code=")[2], "next": "/"}, headers=FROM_A_PAGE)
        found = re.search('name="csrf" content="([^"]+)"', self.get("/jobs"))
        assert found
        self._csrf = found[1]

    def get(self, path: str) -> str:
        answer = self._client.get(path, headers=FROM_A_PAGE)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    def post(self, path: str, status: int = 200, **fields: str) -> str:
        """What the page after it says."""
        answer = self._client.post(path, data={"csrf": self._csrf, **fields}, headers=FROM_A_PAGE)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.text


@pytest.fixture
def browser(house: House, app: FastAPI) -> Iterator[Browser]:
    """The pages over the house, signed in."""
    web.install(app)
    with TestClient(app, base_url=BASE) as client:
        yield Browser(house, client)


@pytest.fixture
def command(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, str]]:
    """`command("jobs", "list")`: the exit code, stdout and stderr of a command that talks to the house; no process."""

    def ask(method: str, path: str, query: Any, body: Any = None, seconds: float = 0.0) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        answer = client.request(method, path, params=given or None, json=body)
        if answer.status_code >= 400:
            raise Refused(answer.json(), answer.status_code)
        return answer.json() if answer.content else None

    reached = ServerOf.__new__(ServerOf)
    monkeypatch.setattr(reached, "_json", ask, raising=False)
    monkeypatch.setattr(Call, "instance", reached)

    def called(*words: str) -> tuple[int, str, str]:
        code = root.run(list(words))
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return called


# --- as a process ---------------------------------------------------------------------------------------------------


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A server that is not started yet; it is ended with the test."""
    found = Instance(tmp_path / "data")
    yield found
    found.kill()
