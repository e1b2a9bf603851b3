"""A manifest that is read before it is committed: from a draft of the files, which counts if it is what was staged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from longhouse import describing, jobs, loading
from longhouse.house import House
from longhouse.launch.local import CannotLaunch, Spec
from longhouse.launch.python import Interpreter
from longhouse.repo import bootstrap, checkouts, commits, manifest, plain
from longhouse.repo.checkouts import NoDraft
from longhouse.repo.git import Git
from longhouse.store import jobs as rows
from tests.instance import STARTER, until

WORK = "def run():\n    return 1\n"


@pytest.fixture
def home(house: House) -> House:
    """With a commit of one job, which loaded."""
    bootstrap.ensure(house.paths, known_commits=False)
    put(house, "jobs/work.py", WORK)
    put(house, "manifest.py", manifest_of("id='a', cron='0 8 * * *'"))
    loading.settle(house)
    assert crons(house) == {"a": "0 8 * * *"}
    return house


@pytest.fixture
def git(home: House) -> Git:
    return bootstrap.opened(home.paths)


@pytest.fixture
def started(home: House, monkeypatch: pytest.MonkeyPatch) -> list[Spec]:
    """The children of this house from now on."""
    found: list[Spec] = []
    start = home.launcher.start
    monkeypatch.setattr(home.launcher, "start", lambda spec: found.append(spec) or start(spec))
    return found


def put(house: House, path: str, text: str) -> None:
    (house.paths.tree / path).write_text(text)


def manifest_of(*registrations: str, before: str = "") -> str:
    lines = [f"job_registry.register(JobConfig(func=run, {each}))\n" for each in registrations]
    return STARTER + before + "from jobs.work import run\n" + "".join(lines)


def crons(house: House) -> dict[str, str | None]:
    with house.db.read() as db:
        return {job.id: job.spec.cron for job in rows.all_jobs(db)}


def head(git: Git) -> str:
    found = git.head().commit
    assert found is not None
    return found


def left(house: House) -> list[str]:
    """What drafts and readers left behind."""
    drafts = [each.name for each in house.paths.checkouts.iterdir() if each.name.startswith(".")]
    return [*drafts, *(each.name for each in house.paths.work.iterdir())]


def just_before_staging(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    stage = commits.stage
    monkeypatch.setattr(commits, "stage", lambda *words, **more: (act(), stage(*words, **more))[1])


def committed(house: House, git: Git) -> str:
    """The cron of job a as the newest commit has it."""
    text = checkouts.content(git, house.paths.checkouts, head(git), "manifest.py")
    assert text is not None
    return text.decode().split("cron='")[1].split("'")[0]


def test_what_the_draft_said_counts_and_the_draft_becomes_the_checkout(home: House, git: Git, started: list[Spec]):
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'"))
    put(home, "jobs/more.py", "x = 1\n")
    loading.settle(home)
    assert crons(home) == {"a": "0 9 * * *"} and len(started) == 1
    assert checkouts.matches(home.paths.checkouts / head(git), checkouts.listing(git, head(git)))
    assert left(home) == []
    (home.paths.tree / "jobs" / "more.py").unlink()
    loading.settle(home)
    assert len(started) == 2 and "jobs/more.py" not in checkouts.listing(git, head(git))
    assert checkouts.matches(home.paths.checkouts / head(git), checkouts.listing(git, head(git)))


@pytest.mark.parametrize("compared", [True, False], ids=["compared", "negative-control-not-compared"])
def test_files_that_change_before_they_are_staged_are_read_anew(
    home: House, git: Git, started: list[Spec], monkeypatch: pytest.MonkeyPatch, compared: bool
):
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'"))
    just_before_staging(monkeypatch, lambda: put(home, "manifest.py", manifest_of("id='a', cron='0 10 * * *'")))
    if not compared:
        monkeypatch.setattr(checkouts, "matches", lambda place, files: True)
    loading.settle(home)
    assert committed(home, git) == "0 10 * * *"
    assert (crons(home)["a"] == "0 10 * * *") == compared, "what runs is what is committed"
    assert len(started) == (2 if compared else 1)
    assert left(home) == []


def test_a_draft_that_is_not_what_was_staged_is_not_waited_for(
    home: House, started: list[Spec], monkeypatch: pytest.MonkeyPatch
):
    put(home, "manifest.py", "import time\ntime.sleep(600)\n")
    asked = Event()
    ask = manifest.ask
    monkeypatch.setattr(manifest, "ask", lambda *words: (ask(*words), asked.set()))

    def mended() -> None:
        assert asked.wait(30)
        put(home, "manifest.py", manifest_of("id='a', cron='0 10 * * *'"))

    just_before_staging(monkeypatch, mended)
    loading.settle(home)
    assert crons(home) == {"a": "0 10 * * *"} and jobs.manifest(home).ok and left(home) == []
    sleeper = started[0].marker.encode()
    until(lambda: not any(sleeper in environ(each) for each in Path("/proc").glob("[0-9]*")))


def environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it has ended
        return b""


def test_a_draft_that_is_broken_is_a_broken_commit(home: House, git: Git, started: list[Spec]):
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'", before="\n\nraise ValueError('no')\n"))
    loading.settle(home)
    said = jobs.manifest(home)
    assert (said.ok, said.file, said.error) == (False, "manifest.py", "ValueError: no")
    assert ".new-" not in (said.traceback or "") and "Manifest: broken" in message(git)
    assert len(started) == 1 and left(home) == [] and crons(home) == {"a": "0 8 * * *"}
    assert checkouts.matches(home.paths.checkouts / head(git), checkouts.listing(git, head(git)))


def message(git: Git) -> str:
    return git.read("cat-file", "commit", head(git)).out.decode()


def test_a_function_whose_manifest_does_not_take_it_is_committed_and_said(home: House, git: Git, started: list[Spec]):
    """What is inside a function is no business of a manifest, but nobody keeps it from looking."""
    looking = "\n\nassert b'return 2' not in open(__file__.replace('manifest.py', 'jobs/work.py'), 'rb').read()\n"
    put(home, "manifest.py", manifest_of("id='a', cron='0 8 * * *'", before=looking))
    loading.settle(home)
    good = head(git)
    assert jobs.manifest(home).loaded_commit == good
    started.clear()
    put(home, "jobs/work.py", WORK.replace("1", "2"))
    loading.settle(home)
    said = jobs.manifest(home)
    assert head(git) != good and (said.ok, said.loaded_commit, said.file) == (False, good, "manifest.py")
    assert len(started) == 1 and left(home) == []


def test_more_files_than_are_worth_a_draft_are_read_when_they_are_staged(home: House, git: Git, started: list[Spec]):
    for number in range(checkouts.MOST_WRITTEN + 1):
        put(home, f"jobs/extra{number}.py", "x = 1\n")
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'"))
    loading.settle(home)
    assert crons(home) == {"a": "0 9 * * *"} and len(started) == 1 and left(home) == []


def test_without_another_checkout_there_is_no_draft(home: House, git: Git, started: list[Spec]):
    checkouts.prune(home.paths.checkouts, (), idle_seconds=0)
    with pytest.raises(NoDraft):
        checkouts.draft(git, home.paths.checkouts, head(git), (("M", "manifest.py"),))
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'"))
    loading.settle(home)
    assert crons(home) == {"a": "0 9 * * *"} and left(home) == []


@pytest.mark.parametrize("path", ["jobs/gone.py", "jobs/pipe.py", "jobs/link.py"])
def test_what_cannot_be_read_now_makes_no_draft(home: House, git: Git, path: str):
    target = home.paths.tree / path
    if "link" in path:
        target.symlink_to("work.py")
    elif "pipe" in path:
        target.mkdir()
    with pytest.raises(NoDraft):
        checkouts.draft(git, home.paths.checkouts, head(git), (("A", path),))
    assert left(home) == []


def test_a_reader_that_was_not_needed_ends(home: House, git: Git, started: list[Spec]):
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'"))
    with describing.ahead(home, git, *changed(git), lambda file, line: None) as ahead:
        ahead.begin()
    assert left(home) == [] and len(started) == 1
    with describing.ahead(home, git, *changed(git), lambda file, line: None):
        pass  # nor one that was asked nothing
    assert left(home) == [] and len(started) == 2
    markers = [spec.marker.encode() for spec in started]
    until(lambda: not any(each in environ(process) for process in Path("/proc").glob("[0-9]*") for each in markers))


def test_a_reader_that_cannot_start_is_said_to_the_one_who_asks(home: House, git: Git, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(home.environments, "base", Interpreter(home.paths.data / "no-python"))
    put(home, "manifest.py", manifest_of("id='a', cron='0 9 * * *'"))
    with describing.ahead(home, git, *changed(git), lambda file, line: None):
        pass  # nobody wants it
    with pytest.raises(CannotLaunch, match="no-python"):
        describing.describe(home, git, head(git))
    with describing.ahead(home, git, *changed(git), lambda file, line: None) as ahead:
        ahead.begin()
        staged = commits.stage(git)
        assert staged.tree
        with pytest.raises(CannotLaunch, match="no-python"):
            ahead.describe(staged.tree)
    assert left(home) == []


def changed(git: Git) -> tuple[str | None, plain.Changes]:
    """The commit, and what differs from it."""
    state = commits.state(git)
    found = plain.found(git, state.entries, (), ())
    assert found
    return state.head, found
