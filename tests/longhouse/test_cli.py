"""The command line against a real instance: what it prints, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from longhouse.cli import root
from longhouse.cli.instance import Instance
from tests import warm

MANIFEST = """
from zerg.jobs import JobConfig, job_registry
from jobs import all as jobs

for name in ("good", "bad", "odd", "nothing", "slow", "rude", "greet", "lines"):
    job_registry.register(JobConfig(id=name, func=getattr(jobs, name), max_attempts=1, description=f"The job {name}."))
job_registry.register(JobConfig(id="tick", func=jobs.good, every=3600, tags=("clock",)))
job_registry.register(JobConfig(id="again", func=jobs.again, max_attempts=3, retry_delay_seconds=1))
"""
JOBS = r"""
import os, sys, time
from pathlib import Path
from zerg.outcomes import Degraded, Skip

def good():
    print("fine")
    return {"answer": 42}

def bad():
    raise ValueError("broken on purpose")

def odd():
    return Degraded("only half of it")

def nothing():
    return Skip("nothing to do")

def slow(seconds: float = 60):
    print("begun", flush=True)
    time.sleep(seconds)
    print("over")

def rude():
    os.write(1, b"\x1b]0;title\x07\x1b[31mred\x1b[0m \x1b[2J\x1b]52;c;cm0=\x07 end \xff\n")

def greet(name: str, times: int = 1, tags: list[str] = []):
    print(f"hello {name} " * times, tags)

def lines(ctx):
    for n in range(1, 2501):
        print(f"line {n}")
    print("to err", file=sys.stderr)
    ctx.log.info("to log")

def again(ctx, marker: str):
    print(f"attempt {ctx.attempt}", flush=True)
    if ctx.attempt == 1:
        time.sleep(60)
    Path(marker).write_text(str(ctx.attempt))
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Served:
    """A real instance in a process of its own."""

    def __init__(self, data: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.data = data
        self.flags = flags
        self.env = {**os.environ, **(env or {})}
        self.process: warm.Process | None = None

    def start(self) -> Served:
        output = self.data.parent / "serve.out"
        output.write_bytes(b"")
        words = ["serve", "--port", "0", "--data-dir", str(self.data), *self.flags]
        self.process = warm.fork(words, self.env, output)
        deadline = time.monotonic() + 30
        while not self.answers():
            assert self.process.poll() is None, (self.data.parent / "serve.out").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def answers(self) -> bool:
        try:
            Instance.of(self.data, shown_flag=False).get("/livez")
        except Exception:
            return False
        return True

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.process = None
        return code


def tree(data: Path, manifest: str = MANIFEST, jobs: str = JOBS) -> Path:
    (data / "jobs" / "jobs").mkdir(parents=True)
    (data / "jobs" / "manifest.py").write_text(manifest)
    (data / "jobs" / "jobs" / "all.py").write_text(jobs)
    return data


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    instance = Served(tree(tmp_path_factory.mktemp("instance") / "data")).start()
    yield instance
    if instance.process is not None:
        assert instance.stop() == 0


@pytest.fixture
def cli(served: Served, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command in this process, against the instance."""

    def call(*words: str, data: Path | None = None) -> Ended:
        capfd.readouterr()
        code = root.run(["--data-dir", str(data or served.data), *words])
        return Ended(code, *capfd.readouterr())

    return call


def spawn(*words: str, **more: Any) -> subprocess.Popen[bytes]:
    """As from a terminal: what runs in the background of a script has inherited to ignore Ctrl-C."""

    def hear() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen([sys.executable, "-m", "longhouse", *words], preexec_fn=hear, **more)


Cli = Callable[..., Ended]


# --- looking ---------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_and_shown(cli: Cli) -> None:
    listed = cli("jobs", "list")
    assert listed.code == 0
    assert listed.out.split()[:4] == ["ID", "SCHEDULE", "ENABLED", "NEXT"]
    assert re.search(r"^tick +Every 1 h +enabled +in ", listed.out, re.MULTILINE)
    shown = cli("jobs", "show", "greet").out
    assert "The job greet." in shown
    assert re.search(r"name +str +needed", shown)
    assert re.search(r"times +int +default 1", shown)


LOOKING = ["jobs list", "jobs show good", "runs list", "repo status", "repo log", "tokens list", "config show"]


@pytest.mark.parametrize("words", [*LOOKING, "login-link"])
def test_everything_is_one_json_document_with_json(cli: Cli, words: str) -> None:
    ended = cli(*words.split(), "--json")
    assert ended.code == 0, ended.err
    assert isinstance(ended.json, dict)
    assert ended.err == ""


def test_what_is_in_the_way_of_committing_is_said(served: Served, cli: Cli) -> None:
    merge = served.data / "jobs.git" / "MERGE_HEAD"
    merge.write_text("0" * 40 + "\n")
    try:
        ended = cli("repo", "status")
    finally:
        merge.unlink()
    assert ended.code == 0
    assert "warning: nothing is committed now: a merge is under way" in ended.err


def test_what_somebody_staged_is_said_to_be_his_to_commit(served: Served, cli: Cli) -> None:
    notes = served.data / "jobs" / "notes.md"
    notes.write_text("mine\n")
    try:
        subprocess.run(["git", "add", "notes.md"], cwd=notes.parent, check=True)
        ended = cli("repo", "status")
    finally:
        subprocess.run(["git", "rm", "-q", "-f", "notes.md"], cwd=notes.parent, check=True)
    assert re.search("^Uncommitted +yes, staged with git: yours to commit", ended.out, re.MULTILINE)


def test_doctor_names_each_check(cli: Cli) -> None:
    ended = cli("doctor")
    assert ended.code == 0, ended.err
    assert re.search(r"^ok +manifest: ", ended.out, re.MULTILINE)


def test_the_instance_is_found_from_inside_the_jobs_repo(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(served.data / "jobs" / "jobs")
    assert root.run(["jobs", "show", "good", "--quiet"]) == 0


def test_the_shell_completes_the_ids_of_jobs(served: Served) -> None:
    environ = {"_LONGHOUSE_JOBS_COMPLETE": "bash_complete", "COMP_WORDS": "longhouse-jobs run g", "COMP_CWORD": "2"}
    environ |= {"LONGHOUSE_JOBS_DATA_DIR": str(served.data), **os.environ}
    program = Path(sys.executable).with_name("longhouse-jobs")
    offered = subprocess.run([program], env=environ, capture_output=True, text=True, check=True).stdout
    assert offered.split() == ["plain,good", "plain,greet"]


# --- running ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "code", "says"),
    [
        ("good", 0, "succeeded"),
        ("bad", 1, "failed"),
        ("odd", 0, "ended degraded"),
        ("nothing", 0, "was skipped"),
    ],
)
def test_waiting_ends_with_the_runs_outcome(cli: Cli, job: str, code: int, says: str) -> None:
    ended = cli("run", job, "--wait")
    assert ended.code == code, ended.err
    assert says in ended.out


def test_what_failed_is_told_with_its_traceback(cli: Cli) -> None:
    run = cli("run", "bad", "--wait", "--json").json
    shown = cli("runs", "show", str(run["id"]))
    assert "ValueError: broken on purpose" in shown.out
    assert "jobs/all.py" in shown.out


def test_following_shows_the_output_and_ends_with_a_result(cli: Cli) -> None:
    followed = cli("run", "good", "--follow")
    assert (followed.code, followed.out) == (0, "fine\n")
    assert "succeeded" in followed.err
    lines = [json.loads(text) for text in cli("run", "good", "--follow", "--json").out.splitlines()]
    assert [line["type"] for line in lines] == ["line", "result"]
    assert lines[0]["text"] == "fine"
    assert lines[1]["run"]["result"] == {"answer": 42}


def test_following_is_live(served: Served) -> None:
    with spawn(
        "--data-dir", str(served.data), "run", "slow", "-p", "seconds=3", "-f", stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        begun = time.monotonic()
        # unbuffered: the line is there before the job ends, its end with what follows
        assert os.read(process.stdout.fileno(), 100).startswith(b"begun")
        assert time.monotonic() - begun < 2.5
        assert process.stdout.read().endswith(b"over\n")
        assert process.wait(20) == 0


def test_parameters_are_read_by_their_types(cli: Cli) -> None:
    ended = cli("run", "greet", "-p", "name=Ada L", "-p", "times=2", "-p", "tags=a,b", "-p", "tags=c", "--follow")
    assert ended.out == "hello Ada L hello Ada L  ['a,b', 'c']\n"
    refused = cli("run", "greet", "-p", "name=x", "-p", "times=many")
    assert refused.code == 2
    assert "times" in refused.err
    assert cli("run", "greet").code == 2
    assert cli("run", "greet", "-p", "name").code == 2


def test_waiting_can_end_before_the_run(cli: Cli) -> None:
    ended = cli("run", "slow", "--wait", "--timeout", "0.3")
    assert ended.code == 124
    assert "It goes on" in ended.err
    run = cli("runs", "list", "--job", "slow", "--limit", "1", "--json").json["items"][0]
    assert run["state"] in ("queued", "running")
    refused = cli("run", "slow")
    assert (refused.code, f"runs cancel {run['id']}" in refused.err) == (4, True)
    followed = cli("runs", "logs", "-f", str(run["id"]), "--timeout", "0.5", "--json")
    assert followed.code == 124
    assert json.loads(followed.err)["code"] == "timed_out"
    assert cli("runs", "cancel", str(run["id"]), "--wait").out.endswith("is cancelled\n")
    assert cli("runs", "cancel", str(run["id"])).code == 4


def test_an_interrupt_leaves_the_run_alone(served: Served, cli: Cli) -> None:
    words = ("--data-dir", str(served.data), "run", "slow", "--follow")
    with spawn(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert os.read(process.stdout.fileno(), 100).startswith(b"begun")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert b"The run goes on" in process.stderr.read()
    run = cli("runs", "list", "--job", "slow", "--state", "running", "--json").json["items"][0]
    assert cli("runs", "cancel", str(run["id"]), "--wait", "--json").json["state"] == "cancelled"


def test_a_run_is_repeated_with_its_parameters(cli: Cli) -> None:
    run = cli("run", "greet", "-p", "name=Bob", "--wait", "--json").json
    again = cli("runs", "rerun", str(run["id"]), "--latest", "--wait", "--json").json
    assert (again["rerun_of"], again["params"]) == (run["id"], run["params"])
    assert cli("runs", "rerun", str(run["id"]), "--same-commit", "--follow").out == "hello Bob  []\n"


@pytest.mark.parametrize("code", ["--same-commit", "--latest"])
def test_a_run_is_repeated_with_some_parameters_changed(cli: Cli, code: str) -> None:
    run = cli("run", "greet", "-p", "name=Bob", "--wait", "--json").json
    again = cli("runs", "rerun", str(run["id"]), code, "-p", "times=2", "--wait", "--json").json
    assert again["params"] == {**run["params"], "times": 2}, "read by its type; the others are as they were"
    wrong = cli("runs", "rerun", str(run["id"]), code, "-p", "times=often")
    assert (wrong.code, wrong.out) == (2, "") and "times" in wrong.err
    assert cli("runs", "rerun", str(run["id"]), "-p", "times").code == 2


def test_debug_logging_is_asked_for_shown_and_kept(cli: Cli) -> None:
    run = cli("run", "greet", "-p", "name=Bob", "--debug", "--wait", "--json").json
    assert run["debug"] is True
    assert "everything (debug)" in cli("runs", "show", str(run["id"])).out
    assert cli("runs", "rerun", str(run["id"]), "--wait", "--json").json["debug"] is True
    assert cli("runs", "rerun", str(run["id"]), "--no-debug", "--wait", "--json").json["debug"] is False


# --- output ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines_run(served: Served) -> str:
    instance = Instance.of(served.data, shown_flag=False)
    run = instance.post("/api/jobs/lines/run")["id"]
    while instance.get(f"/api/runs/{run}")["finished_at"] is None:
        time.sleep(0.05)
    return str(run)


def test_logs_are_read_whole_in_part_and_by_stream(cli: Cli, lines_run: str) -> None:
    out = cli("runs", "logs", lines_run, "--stream", "out").out
    assert out == "".join(f"line {n}\n" for n in range(1, 2501))
    assert cli("runs", "logs", lines_run, "--stream", "err").out == "to err\n"
    assert len(cli("runs", "logs", lines_run, "--tail", "3").out.splitlines()) == 3
    assert re.match(r" +\d+\.\d{3}  line 1\n", cli("runs", "logs", lines_run, "-t").out)
    document = cli("runs", "logs", lines_run, "--json").json
    assert (len(document["items"]), document["next"]) == (document["total"], None)
    assert cli("runs", "logs", lines_run, "--follow", "--stream", "out").out == out
    assert cli("runs", "logs", lines_run, "--attempt", "9").code == 3


def test_terminal_sequences_of_a_job_reach_no_terminal(served: Served, cli: Cli) -> None:
    run = cli("run", "rude", "--wait", "--json").json["id"]
    words = ["--data-dir", str(served.data), "runs", "logs", str(run)]
    assert cli("runs", "logs", str(run)).out == "red  end �\n"
    on_terminal = through_a_terminal(*words)
    assert on_terminal.startswith(b"\x1b[31mred\x1b[0m  end ")
    assert re.sub(rb"\x1b\[[0-9;]*m", b"", on_terminal).count(b"\x1b") == 0
    assert b"\x1b" not in through_a_terminal(*words, "--no-color")
    with spawn(*words, "--raw", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"\x1b]0;title\x07\x1b[31mred\x1b[0m \x1b[2J\x1b]52;c;cm0=\x07 end \xff\n"


def through_a_terminal(*words: str) -> bytes:
    """What the command writes if stdout is a terminal."""
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    with spawn(*words, stdout=theirs, env=environ):
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:
                piece = b""
            if not piece:
                os.close(ours)
                return seen
            seen += piece


def test_tables_on_a_terminal_are_tables(served: Served) -> None:
    seen = through_a_terminal("--data-dir", str(served.data), "jobs", "list").decode()
    assert "tick" in seen
    assert "━" in seen or "─" in seen


def test_a_reader_that_goes_away_is_no_error(served: Served, lines_run: str) -> None:
    words = ("--data-dir", str(served.data), "runs", "logs", lines_run, "--raw")
    with spawn(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


# --- what is not possible --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("jobs show nobody", 3),
        ("run nobody", 3),
        ("runs show 999999", 3),
        ("tokens revoke 999999", 3),
        ("jobs show ../../livez", 3),
        ("runs show zero", 2),
        ("runs list --state burning", 2),
        ("runs list --since yesterday", 2),
        ("runs list --backfill zero", 2),
        ("runs list --limit 0", 2),
        ("runs errors --days 0", 2),
        ("runs rerun 999999 -p name=Bob", 3),
        ("jobs list --show broken", 2),
        ("jobs forecast greet soon", 2),
        ("jobs forecast nobody 90m", 3),
        ("jobs forecast greet", 2),
        ("jobs disable", 2),
        ("status --unseen", 2),
        ("jobs enable", 2),
        ("launch", 2),
        ("tokens new x --scope everything", 2),
        ("tokens new x --scope jobs:read --expires tomorrow", 2),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_done_has_its_exit_code(cli: Cli, words: str, code: int, as_json: bool) -> None:
    ended = cli(*words.split(), *(["--json"] if as_json else []))
    assert (ended.code, ended.out) == (code, "")
    if as_json:
        problem = json.loads(ended.err)
        assert {"type", "title", "code", "detail", "hint"} <= set(problem)
    else:
        assert ended.err.startswith("error: ")
        assert "\nhint: " in ended.err


def test_a_wrong_token_is_exit_code_5(served: Served, cli: Cli, tmp_path: Path) -> None:
    found = json.loads((served.data / "instance.json").read_text())
    (tmp_path / "instance.json").write_text(json.dumps({**found, "token": "lhj_wrong"}))
    assert cli("jobs", "list", data=tmp_path).code == 5


# --- looking for some ------------------------------------------------------------------------------------------------


def ids(ended: Ended) -> list[Any]:
    assert ended.code == 0, ended.err
    return [each["id"] for each in ended.json["items"]]


def test_jobs_are_looked_for(cli: Cli) -> None:
    assert ids(cli("jobs", "list", "--search", "GREET", "--json")) == ["greet"]
    assert ids(cli("jobs", "list", "--search", "nothing of the kind", "--json")) == []
    assert cli("jobs", "list", "--tag", "none-has-it").err == "No job fits.\n"
    assert cli("jobs", "list", "--project", "none-is-of-it").err == "No job fits.\n"
    assert cli("run", "bad", "--wait").code == 1
    failing = ids(cli("jobs", "list", "--show", "failing", "--json"))
    assert "bad" in failing and "greet" not in failing
    assert cli("jobs", "disable", "lines").code == 0
    assert "lines" in ids(cli("jobs", "list", "--show", "off", "--json"))
    assert "lines" not in ids(cli("jobs", "list", "--show", "on", "--json"))
    assert cli("jobs", "enable", "lines").code == 0


def test_runs_are_looked_for_by_every_filter(cli: Cli) -> None:
    bad = cli("run", "bad", "--wait", "--json").json
    found = ("runs", "list", "--json", "--limit", "100")
    fits = {
        "--reason": "exception",
        "--trigger": "manual",
        "--commit": bad["commit"][:10],
        "--since": "1h",
        "--search": "broken on purpose",
        "--job": "bad",
        "--state": "failed",
    }
    for option, value in fits.items():
        assert bad["id"] in ids(cli(*found, option, value)), option
    fits_not = {
        "--reason": "timed_out",
        "--trigger": "schedule",
        "--commit": "0123456789",
        "--until": "1h",
        "--search": "nothing of the kind",
        "--job": "greet",
        "--state": "succeeded",
        "--backfill": "77",
    }
    for option, value in fits_not.items():
        assert bad["id"] not in ids(cli(*found, option, value)), option
    everything = [word for pair in fits.items() for word in pair]
    assert bad["id"] in ids(cli(*found, *everything))
    assert cli("runs", "list", "--search", "nothing of the kind").err == "No runs.\n"
    assert cli("runs", "list", "--fingerprint", "0" * 16).err == "No runs.\n"
    assert "--job is empty" in cli("runs", "list", "--job", "").err
    assert "--error is empty" in cli("runs", "rerun", "--error", " ", "--yes").err


def test_what_fails_the_same_way_is_one_line(cli: Cli) -> None:
    runs = [cli("run", "bad", "--wait", "--json").json for _ in range(2)]
    listed = cli("runs", "errors")
    assert listed.code == 0 and re.search(r"^\d+ .* bad +ValueError: broken on purpose", listed.out, re.MULTILINE)
    items = cli("runs", "errors", "--job", "bad", "--days", "1", "--json").json["items"]
    assert len(items) == 1 and items[0]["count"] >= 2
    assert items[0]["newest_run"] == runs[-1]["id"]
    assert items[0]["fingerprint"] == runs[0]["fingerprint"] == runs[1]["fingerprint"]
    assert cli("runs", "errors", "--job", "greet").err == "No errors.\n"


def test_status_says_what_needs_somebody_until_it_is_seen(cli: Cli) -> None:
    run = cli("run", "bad", "--wait", "--json").json["id"]
    status = cli("status")
    assert status.code == 1, "a script can ask whether everything is fine"
    assert re.search(r"needs? you:$", status.out.splitlines()[0])
    assert "failed" in status.out and re.search(r"^\d+ running, \d+ queued, \d+ to be tried again$", status.out, re.M)
    found = cli("status", "--json")
    assert found.code == 1 and found.json["fine"] is False
    assert run in [each["run"]["id"] for each in found.json["failures"]]
    seen = cli("status", "--seen", "--json").json
    assert "failures" not in [need["code"] for need in seen["needs"]] and seen["failures"] == []


def test_many_jobs_are_switched_each_with_its_line(cli: Cli) -> None:
    off = cli("jobs", "disable", "good", "odd")
    assert (off.code, off.out) == (0, "good is disabled\nodd is disabled\n")
    mixed = cli("jobs", "disable", "odd", "nobody", "nothing")
    assert mixed.code == 1, "one was refused, the others were done"
    assert mixed.out == "odd was disabled already\nthere is no job 'nobody'\nnothing is disabled\n"
    on = cli("jobs", "enable", "good", "odd", "nothing", "--json")
    assert on.code == 0 and [each["changed"] for each in on.json["items"]] == [True, True, True]
    assert on.json["refused"] == 0


def test_a_moment_is_asked_about(cli: Cli) -> None:
    ahead = cli("jobs", "forecast", "greet", "90m")
    assert ahead.code == 0 and ahead.out.startswith("A run would start") and "not due then" in ahead.out
    assert cli("jobs", "forecast", "tick", "2026-01-01T00:00:00Z", "--json").json["verdict"].startswith("That time has")


# --- changing --------------------------------------------------------------------------------------------------------


def test_disabling_is_kept_in_the_repo(cli: Cli) -> None:
    assert cli("jobs", "disable", "tick").out == "tick is disabled\n"
    assert cli("jobs", "show", "tick", "--json").json["next_due"] is None
    deadline = time.monotonic() + 10
    while not any("disable tick" in each["subject"] for each in cli("repo", "log", "--json").json["items"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert cli("run", "tick", "--wait").code == 0
    assert cli("jobs", "enable", "tick").out.startswith("tick is enabled; next run in ")


def test_a_token_is_shown_once_lets_in_and_is_revoked(served: Served, cli: Cli) -> None:
    made = cli("tokens", "new", "robot", "--scope", "jobs:read", "--expires", "90d")
    value = made.out.strip()
    assert value.startswith("lhj_")
    robot = Instance(Instance.of(served.data, shown_flag=False).url, value, start="")
    assert robot.get("/api/jobs")["items"]
    listed = next(each for each in cli("tokens", "list", "--json").json["items"] if each["name"] == "robot")
    assert value not in json.dumps(listed)
    assert cli("tokens", "revoke", str(listed["id"])).code == 0
    with pytest.raises(Exception, match="not valid"):
        robot.get("/api/jobs")
