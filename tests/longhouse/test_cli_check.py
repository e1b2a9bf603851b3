"""`longhouse-jobs check`: a jobs repo, without an instance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from longhouse import secrets
from longhouse.cli.root import run
from longhouse.house import By, House
from longhouse.store.database import Database
from longhouse.vault import Secret

HEAD = "from zerg.jobs import JobConfig, job_registry\n\n\ndef work():\n    pass\n\n\n"


def job(number: int, cron: str, timezone: str = "UTC") -> str:
    return f"job_registry.register(JobConfig(id='job-{number}', func=work, cron={cron!r}, timezone={timezone!r}))\n"


@pytest.fixture
def check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def checked(manifest: str, *options: str) -> tuple[int, str, str]:
        (tmp_path / "manifest.py").write_text(manifest, encoding="utf-8")
        code = run(["check", str(tmp_path), "--data-dir", str(tmp_path / "none"), *options])
        said = capfd.readouterr()
        assert not (tmp_path / "none").exists()
        return code, said.out, said.err

    return checked


def test_nothing_is_wrong(check: Callable[..., tuple[int, str, str]]):
    code, out, err = check(HEAD + job(1, "30 2 * * *"))
    assert (code, out, err) == (0, "", "1 jobs: nothing is wrong\n")


def test_what_clock_changes_do_is_a_warning_and_what_never_fires_an_error(check: Callable[..., tuple[int, str, str]]):
    manifest = HEAD + job(1, "30 2 * * *", "Europe/Berlin") + job(2, "*/15 2 * * *", "Europe/Berlin")
    code, out, _ = check(manifest)
    assert code == 0
    assert "manifest.py:8: warning: job 'job-1': cron '30 2 * * *': on " in out
    assert "what is due then is due once, at 03:00" in out
    assert "show 02:00 to 03:00 twice" in out
    code, out, _ = check(manifest + job(3, "*/5 2 * 3 0L", "Europe/Berlin"), "--json")
    said = json.loads(out)
    assert code == 7 and not said["ok"] and said["jobs"] == 3
    (error,) = [each for each in said["findings"] if each["level"] == "error"]
    assert (error["file"], error["line"]) == ("manifest.py", 10)


@pytest.mark.parametrize(
    ("manifest", "place", "words"),
    [
        (HEAD + job(1, "0 0 * * *") + job(1, "0 1 * * *"), "manifest.py:9", "manifest.py:8"),
        ("from jobs.gone import run\n", "manifest.py:1", "jobs"),
        (HEAD + "x = (\n", "manifest.py:8", "never closed"),
        (HEAD + job(1, "0 0 30 2 *"), "manifest.py:8", "never fires"),
    ],
)
def test_what_does_not_load_is_an_error_at_its_line(
    check: Callable[..., tuple[int, str, str]], manifest: str, place: str, words: str
):
    code, out, _ = check(manifest)
    assert code == 7
    assert out.startswith(f"{place}: error: ") and words in out


BAD = [
    *("0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 2 */2", "0 0 */5 2 MON#5", "9" * 100_000 + " * * * *"),
    *("*" * 100_000, "1" + ",1" * 2_000 + " * * * *", "٣ * * * *", "0 0 * * *\0", "0\x1f0 * * *", "0 0 * * ſun"),
]


def test_a_text_that_never_fires_or_is_huge_is_refused_when_it_is_saved(
    check: Callable[..., tuple[int, str, str]], proves: Callable[..., None]
):
    from longhouse.triggers.cron import BadCron, Cron

    slowest = 0.0
    for text in BAD:
        began = time.thread_time()
        with pytest.raises(BadCron):
            Cron(text)
        slowest = max(slowest, time.thread_time() - began)
        code, out, _ = check(HEAD + job(1, text))
        assert code == 7
        assert out.startswith("manifest.py:8: error: ") and len(out) < 5_000
    assert slowest < 0.5
    assert check(HEAD + job(1, "0 0 29 2 *"))[0] == 0
    proves(
        "P19",
        figure=f"{len(BAD)} of {len(BAD)} refused with file and line by the manifest's reader, the schedule in"
        f" {slowest * 1000:.0f} ms at most",
        control="29 February is accepted",
    )


# --- the secrets of the instance's own repo ---------------------------------------------------------------------------

NEEDY = """job_registry.register(JobConfig(id='mail', func=work, secrets=('SMTP_PASSWORD', 'IMAP_PASSWORD')))
job_registry.register(JobConfig(id='news', func=work, secrets=({'key': 'TOKEN', 'required': False},)))
"""
ME = By("me", "cli")


@pytest.fixture
def own(house: House, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Checks the house's own repo, from outside of it."""
    house.paths.tree.mkdir()
    (house.paths.tree / "manifest.py").write_text(HEAD + NEEDY, encoding="utf-8")

    def checked(*words: str) -> tuple[int, str, str]:
        code = run(["check", *words, "--data-dir", str(house.paths.data)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return checked


def test_secrets_that_are_not_stored_are_warnings(house: House, own: Callable[..., tuple[int, str, str]]):
    code, out, _ = own()
    assert code == 0
    assert out == (
        "manifest.py:8: warning: job 'mail' needs the secrets SMTP_PASSWORD, IMAP_PASSWORD, and no value is stored:"
        " it cannot be enabled, and its runs fail (longhouse-jobs secrets set SMTP_PASSWORD)\n"
    )
    secrets.put(house, "SMTP_PASSWORD", Secret("correct-horse-42"), ME)
    assert "needs the secret IMAP_PASSWORD, and" in own()[1]
    secrets.put(house, "IMAP_PASSWORD", Secret("correct-horse-43"), ME)
    assert own(str(house.paths.tree)) == (0, "", "2 jobs: nothing is wrong\n")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A data directory that no server has open."""
    data = tmp_path / "stopped"
    (data / "jobs").mkdir(parents=True)
    (data / "jobs" / "manifest.py").write_text(HEAD + NEEDY, encoding="utf-8")
    database = Database(data / "longhouse.db")
    database.migrate(data / "backups")
    database.close()
    return data


def test_a_stopped_instance_is_looked_at_and_left_as_it_is(stopped: Path, capfd: pytest.CaptureFixture[str]):
    before = {each: each.stat().st_mtime_ns for each in stopped.iterdir()}
    assert not any(each.name.endswith(("-wal", "-shm")) for each in before)
    assert run(["check", "--data-dir", str(stopped)]) == 0
    assert "needs the secrets SMTP_PASSWORD, IMAP_PASSWORD, and" in capfd.readouterr().out
    assert {each: each.stat().st_mtime_ns for each in stopped.iterdir()} == before


def test_a_repo_elsewhere_is_not_asked_about_the_secrets_of_this_instance(
    house: House, own: Callable[..., tuple[int, str, str]], tmp_path: Path
):
    (tmp_path / "manifest.py").write_text(HEAD + NEEDY, encoding="utf-8")
    assert own(str(tmp_path))[1] == ""
    assert "SMTP_PASSWORD" in own()[1]


def test_a_database_that_cannot_be_read_says_nothing_about_the_repo(stopped: Path, capfd: pytest.CaptureFixture[str]):
    (stopped / "longhouse.db").write_bytes(b"no database at all, " * 200)
    assert run(["check", "--data-dir", str(stopped)]) == 0
    said = capfd.readouterr()
    assert said.out == ""
    assert "whether the jobs have their secrets is not checked: longhouse.db cannot be read" in said.err
