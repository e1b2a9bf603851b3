"""`longhouse-jobs check`: a jobs repo, without an instance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from longhouse.cli.root import run

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
