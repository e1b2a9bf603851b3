"""The command line and instances that are down, broken, strange, started anew, or set up in every way there is."""

from __future__ import annotations

import json
import os
import pty
import resource
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from longhouse import config
from longhouse.cli import root
from longhouse.version import VERSION
from tests.longhouse.test_cli import Ended, Served, spawn, tree

Cli = Callable[..., Ended]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    def call(*words: str, data: Path = tmp_path / "data") -> Ended:
        capfd.readouterr()
        code = root.run(["--data-dir", str(data), *words])
        return Ended(code, *capfd.readouterr())

    return call


def process(*words: str, text: str = "", env: dict[str, str] | None = None) -> Ended:
    """The command in a process of its own, which may not take longer than a person waits."""
    environ = {**os.environ, **(env or {})}
    command = [sys.executable, "-m", "longhouse", *words]
    ended = subprocess.run(command, capture_output=True, text=True, input=text, env=environ, timeout=30)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


# --- nobody there, or somebody strange -------------------------------------------------------------------------------

ASKING = ["jobs list", "jobs test x", "run x --follow", "runs logs 1 -f", "repo status", "doctor", "login-link"]


@pytest.mark.parametrize("words", ASKING)
def test_a_stopped_instance_is_exit_code_6_with_the_way_to_start_it(cli: Cli, tmp_path: Path, words: str) -> None:
    ended = cli(*words.split())
    assert (ended.code, ended.out) == (6, "")
    assert f"hint: Start it with: longhouse-jobs serve --data-dir {tmp_path / 'data'}" in ended.err
    with_json = cli(*words.split(), "--json")
    assert with_json.code == 6
    assert json.loads(with_json.err)["code"] == "unreachable"


def announce(folder: Path, port: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "instance.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}", "token": "t", "pid": 1}))
    return folder


def test_an_address_left_behind_by_a_dead_instance_is_exit_code_6(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        announce(tmp_path / "data", free.getsockname()[1])
    assert cli("jobs", "list").code == 6


@pytest.mark.parametrize("text", ["", "[]", '{"url": 3}', '{"url": "ftp://x", "token": "t"}', "\x00"])
def test_an_address_that_cannot_be_read_is_exit_code_6(cli: Cli, tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "instance.json").write_text(text)
    assert cli("jobs", "list").code == 6


class Strange(BaseHTTPRequestHandler):
    answer: tuple[int, bytes] = (500, b"")

    def do_GET(self) -> None:
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[type[Strange]]:
    """Something on the instance's port that answers what the test says."""
    handler = type("Handler", (Strange,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        announce(tmp_path / "data", server.server_port)
        yield handler
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 5), (403, 5), (404, 3), (409, 4), (412, 4), (422, 2), (429, 1), (500, 1), (507, 1)],
)
@pytest.mark.parametrize(
    "body", [b'{"detail": "It says so.", "hint": "Do this."}', b"<h1>Bad Gateway</h1>", b"[1]", b""]
)
def test_each_refusal_has_its_exit_code(cli: Cli, strange: type[Strange], status: int, code: int, body: bytes) -> None:
    strange.answer = (status, body)
    ended = cli("jobs", "show", "x")
    assert ended.code == code
    assert ended.err.startswith("error: It says so.\nhint: Do this." if body.startswith(b"{") else "error: the server")
    assert json.loads(cli("jobs", "show", "x", "--json").err)["status"] == status


def test_text_from_elsewhere_reaches_no_terminal_raw(cli: Cli, strange: type[Strange]) -> None:
    strange.answer = (404, json.dumps({"detail": "\x1b]0;x\x07", "hint": "\u202e"}).encode())
    for words in (["jobs", "show", "x"], ["jobs", "show", "x", "--json"]):
        assert not set(cli(*words).err) & {"\x1b", "\x07", "\u202e"}


# --- starting --------------------------------------------------------------------------------------------------------


@pytest.mark.rule("S1")
def test_an_open_address_without_a_password_is_exit_code_2(tmp_path: Path) -> None:
    refused = process("serve", "--data-dir", str(tmp_path / "data"), "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2
    assert "no password is set" in refused.err


def test_a_password_set_while_the_instance_is_down_opens_that_door(tmp_path: Path) -> None:
    data = tree(tmp_path / "data")
    short = process("password", "set", "--data-dir", str(data), text="short\n")
    assert (short.code, "12 to 1024" in short.err) == (2, True)
    assert process("password", "set", "--data-dir", str(data)).code == 2
    assert process("password", "set", "--data-dir", str(data), text="correct horse battery\n").code == 0
    served = Served(data, "--host", "0.0.0.0").start()
    again = process("password", "set", "--data-dir", str(data), text="battery staple correct\n")
    assert (again.code, again.out) == (0, "The password is set.\n")
    assert served.stop() == 0


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [("port = 'x'", 7, "port"), ("prot = 1", 7, "'port'"), ("port = ", 7, "config.toml cannot be read")],
)
def test_a_wrong_configuration_ends_the_start(tmp_path: Path, text: str, code: int, says: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    ended = process("serve", "--data-dir", str(tmp_path))
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err


def test_a_second_server_on_one_data_directory_is_refused(tmp_path: Path) -> None:
    served = Served(tree(tmp_path / "data")).start()
    second = process("serve", "--data-dir", str(served.data), "--port", "0")
    assert second.code == 7
    assert "another server" in second.err
    assert served.stop() == 0
    assert not (served.data / "instance.json").exists()


# --- a broken manifest -----------------------------------------------------------------------------------------------


def test_from_a_broken_manifest_back_to_a_running_instance(tmp_path: Path, cli: Cli) -> None:
    served = Served(tree(tmp_path / "data")).start()
    manifest = served.data / "jobs" / "manifest.py"
    good = manifest.read_text()
    manifest.write_text(good + "\nthis is not python\n")
    line = good.count("\n") + 2
    place = f"manifest.py:{line}"

    tested = cli("jobs", "test", "good")
    assert tested.code == 7
    assert place in tested.err
    deadline = time.monotonic() + 5
    while place not in cli("jobs", "list", "--quiet").err:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    broken = cli("jobs", "list", "--json").json["manifest"]
    assert (broken["ok"], broken["file"], broken["line"]) == (False, "manifest.py", line)
    assert cli("run", "good", "--wait").code == 0
    assert cli("doctor").code == 1
    assert cli("repo", "restore", "--loaded").code == 4
    assert served.stop() == 0

    start = process("serve", "--data-dir", str(served.data), "--port", "0")
    assert start.code == 7
    assert place in start.err
    assert "longhouse-jobs repo restore --loaded" in start.err
    assert cli("repo", "restore").code == 2
    restored = cli("repo", "restore", "--loaded", "--json")
    assert restored.json["files"] == ["manifest.py"]
    assert manifest.read_text() == good

    served.start()
    assert cli("jobs", "list", "--json").json["manifest"]["ok"]
    assert cli("repo", "log", "--json").json["items"][0]["subject"].startswith("Update jobs: restore ")
    assert served.stop() == 0


def test_a_job_is_tried_as_the_files_stand(tmp_path: Path, cli: Cli) -> None:
    served = Served(tree(tmp_path / "data")).start()
    file = served.data / "jobs" / "jobs" / "all.py"
    file.write_text(file.read_text().replace('print("fine")', 'print("not committed yet")'))
    tested = cli("jobs", "test", "good")
    assert (tested.code, tested.out) == (0, "not committed yet\n")
    assert cli("jobs", "test", "bad").code == 1
    assert cli("jobs", "test", "greet", "-p", "name=Eve", "--quiet").out == "hello Eve  []\n"
    assert cli("jobs", "test", "nobody").code == 3
    assert served.stop() == 0


def test_there_is_nothing_to_restore_where_there_is_no_repo(cli: Cli) -> None:
    assert cli("repo", "restore", "--loaded").code == 3


# --- a restart in between --------------------------------------------------------------------------------------------


def test_following_goes_on_over_a_restart(tmp_path: Path) -> None:
    served = Served(tree(tmp_path / "data")).start()
    words = ("--data-dir", str(served.data), "run", "again", "-p", f"marker={tmp_path / 'marker'}", "--follow")
    with spawn(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert os.read(following.stdout.fileno(), 100).startswith(b"attempt 1")
        assert served.stop() == 0
        served.start()
        assert following.wait(30) == 0
        assert following.stdout.read().endswith(b"attempt 2\n")
    assert (tmp_path / "marker").read_text() == "2"
    assert served.stop() == 0


# --- around it -------------------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_package_and_comes_at_once() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == VERSION
    assert process("--version", "--quiet").out == process("--version").out == f"longhouse-jobs {VERSION}\n"
    program = Path(sys.executable).with_name("longhouse-jobs")
    took = []
    for _ in range(20):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([program, "--version"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) <= 0.080, took  # processor time: the machine may have other things to do


def test_the_common_commands_import_nothing_heavy() -> None:
    """Negative control: `serve` does import the server."""
    code = "import sys, longhouse.cli.root; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {
        "rich",
        "httpx2",
        "uvicorn",
        "fastapi",
        "pydantic",
        "apsw",
        "asyncio",
        "longhouse.serving",
        "longhouse.house",
    }
    assert loaded & heavy == set()
    code = "import sys, longhouse.serving; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded & heavy


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(cli: Cli, shell: str) -> None:
    ended = cli("completion", shell)
    assert ended.code == 0
    assert ended.out.startswith("# Load it with: ")
    assert "_LONGHOUSE_JOBS_COMPLETE" in ended.out


def test_completion_offers_commands_and_without_an_instance_no_ids(tmp_path: Path) -> None:
    def offered(line: str) -> str:
        environ = {"_LONGHOUSE_JOBS_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        program = Path(sys.executable).with_name("longhouse-jobs")
        environ |= {"LONGHOUSE_JOBS_DATA_DIR": str(tmp_path), **os.environ}
        return subprocess.run([program], env=environ, capture_output=True, text=True).stdout

    assert "plain,jobs" in offered("longhouse-jobs jo")
    assert "plain,show" in offered("longhouse-jobs jobs ")
    assert offered("longhouse-jobs jobs show ").strip() == ""


def test_a_question_that_must_not_be_asked_is_an_error(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = ("password", "set", "--data-dir", str(tmp_path), "--no-input")
    with spawn(*words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
        assert asking.stderr is not None
        assert asking.wait(30) == 2
        assert b"New password" in asking.stderr.read()
    os.close(ours)
    os.close(theirs)


def test_config_show_names_values_and_sources(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('port = 5001\nproxy = "http://joe:hunter2@proxy.example"\n')
    environ = {"LONGHOUSE_JOBS_SLOTS": "7"}
    shown = process("config", "show", "--data-dir", str(tmp_path), "--json", env=environ).json
    assert shown["port"] == {"value": 5001, "source": str(tmp_path / "config.toml")}
    assert shown["slots"] == {"value": 7, "source": "LONGHOUSE_JOBS_SLOTS"}
    assert shown["host"] == {"value": "127.0.0.1", "source": "default"}
    assert shown["proxy"]["value"] == "http://••••@proxy.example"
    assert set(shown) == {"data_dir", *config.NAMES}
