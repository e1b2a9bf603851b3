"""Reading manifests with real children, the good and the bad; nothing of them is imported here."""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from longhouse.errors import ManifestBroken
from longhouse.launch.local import LocalLauncher
from longhouse.launch.python import Interpreter
from longhouse.launch.sdk import sdk
from longhouse.repo import manifest
from longhouse.repo.manifest import Reader

REGISTER = "from zerg.jobs import JobConfig, job_registry\n"
SPEC_EXAMPLE = """\
from zerg.jobs import job_registry, JobConfig
from jobs.daily_digest import run as daily_digest

job_registry.register(JobConfig(
    id="daily-digest",
    cron="0 8 * * *",
    func=daily_digest,
    description="Send my daily summary.",
))
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    launcher = LocalLauncher()
    yield launcher, sdk(folder / "cache"), folder / "work"
    launcher.close()


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree" / "jobs").mkdir(parents=True)
    return tmp_path / "tree"


@pytest.fixture
def read(parts, tree):
    def go(*, seconds=10.0, **more):
        launcher, copy, work = parts
        more.setdefault("script_interpreter", lambda file: Interpreter.base())
        reader = Reader(launcher, copy, work, timeout_seconds=seconds)
        try:
            with manifest.started(reader, Interpreter.base()) as child:
                manifest.ask(child, tree)
                return manifest.load(reader, child, tree, **more)
        finally:
            assert list(work.iterdir()) == [], "the child's folder is gone"

    return go


def broken(read, **more):
    with pytest.raises(ManifestBroken) as caught:
        read(**more)
    return caught.value


def broken_where_it_stands(read, **more):
    """Reading that hangs, ended after its child had told the line: it does so once it has run for 3 s, and when a busy
    machine lets it begin is nobody's promise."""
    for seconds in (3.5, 7.0, 14.0, 28.0):
        error = broken(read, seconds=seconds, **more)
        if error.line is not None:
            break
    return error


@pytest.mark.parametrize("package", [True, False])
def test_the_example_of_the_spec_is_read_with_and_without_a_package_file(tree, read, package):
    (tree / "manifest.py").write_text(SPEC_EXAMPLE)
    (tree / "jobs" / "daily_digest.py").write_text("def run():\n    return None\n")
    if package:
        (tree / "jobs" / "__init__.py").touch()
    (job,) = read()
    assert (job.id, job.cron, job.description) == ("daily-digest", "0 8 * * *", "Send my daily summary.")
    assert (job.file, job.line, job.source_file) == ("manifest.py", 4, "jobs/daily_digest.py")


@pytest.mark.parametrize(
    "line", ["from jobs.a import run", "from .jobs.a import run", "import jobs.a\nrun = jobs.a.run"]
)
def test_relative_and_absolute_imports_work_and_so_does_one_job_file_importing_another(tree, read, line):
    (tree / "jobs" / "shared.py").write_text("def helper():\n    return 1\n")
    (tree / "jobs" / "a.py").write_text(
        "from jobs.shared import helper\nfrom .shared import helper as h\ndef run(): ...\n"
    )
    (tree / "manifest.py").write_text(f"{REGISTER}{line}\njob_registry.register(JobConfig(id='a', func=run))\n")
    assert [job.id for job in read()] == ["a"]


def test_nothing_of_it_reaches_this_process_and_nothing_is_written_into_the_tree(tree, read):
    (tree / "jobs" / "a.py").write_text("def run(): ...\n")
    (tree / "manifest.py").write_text(
        f"{REGISTER}from jobs.a import run\nimport os\nos.environ['MARK'] = '1'\n"
        "job_registry.register(JobConfig(id='a', func=run))\n"
    )
    before = set(sys.modules)
    read()
    assert "MARK" not in os.environ
    assert not {name for name in set(sys.modules) - before if name.startswith(("manifest", "jobs"))}
    assert not list(tree.rglob("__pycache__"))


TWICE = (
    f"{REGISTER}def run(): ...\n"
    "job_registry.register(JobConfig(id='a', func=run))\n"
    "job_registry.register(JobConfig(id='a', func=run))\n"
)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("x = 1\ndef\n", "manifest.py:2", "SyntaxError"),
        (TWICE, "manifest.py:4", "manifest.py:3"),
        ("import sys\n\nsys.exit()\n", "manifest.py:3", "sys.exit()"),
        ("import sys\nsys.exit(3)\n", "manifest.py:2", "sys.exit(3)"),
        ("1 / 0\n", "manifest.py:1", "division by zero"),
        ("import nothing_of_that_name\n", "manifest.py:1", "nothing_of_that_name"),
        ("x = bytearray(3 * 2**30)\n", "manifest.py:1", "more memory"),
        ("raise KeyboardInterrupt\n", "manifest.py:1", "KeyboardInterrupt"),
        ("import os\nos._exit(3)\n", "manifest.py", "os._exit(3)"),
        ("import os\nos.kill(os.getpid(), 9)\n", "manifest.py", "signal 9"),
        ("import ctypes\nctypes.string_at(0)\n", "manifest.py", "signal 11"),
        ("def f(): f()\nf()\n", "manifest.py:1", "recursion"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tree, read, text, place, words):
    (tree / "manifest.py").write_text(text)
    error = broken(read)
    assert error.place == place
    assert words in error.message


def test_an_error_in_a_job_file_names_that_file_and_keeps_the_traceback(tree, read):
    (tree / "manifest.py").write_text("from jobs.a import run\n")
    (tree / "jobs" / "a.py").write_text("x = 1\nx.nothing\n")
    error = broken(read)
    assert error.place == "jobs/a.py:2"
    assert "x.nothing" in error.traceback and "zerg" not in error.traceback


def test_an_import_loop_is_called_one(tree, read):
    (tree / "manifest.py").write_text("from jobs.a import run\n")
    (tree / "jobs" / "a.py").write_text("from jobs.b import other\ndef run(): ...\n")
    (tree / "jobs" / "b.py").write_text("from jobs.a import run\ndef other(): ...\n")
    error = broken(read)
    assert "import loop: " in error.message and "jobs/a.py" in error.message and "jobs/b.py" in error.message


def test_a_missing_manifest_is_said(read):
    assert broken(read).message == "manifest.py is missing."


def test_an_endless_loop_is_ended_and_its_line_is_told_meanwhile(tree, read):
    (tree / "manifest.py").write_text("import os\n\nwhile True:\n    pass\n")
    told = threading.Event()
    places = []

    def busy(file, line):
        places.append((file, line))
        told.set()

    error = broken_where_it_stands(read, busy=busy)
    assert told.is_set() and places[0][0] == "manifest.py" and places[0][1] in (3, 4)
    assert "s, it was at manifest.py:" in error.message
    assert error.place in ("manifest.py:3", "manifest.py:4")


def test_one_that_ignores_every_signal_and_hangs_in_c_is_ended_too(tree, read):
    (tree / "manifest.py").write_text(
        "import signal, threading\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nthreading.Event().wait()\n"
    )
    assert "still not read after 1 s" in broken(read, seconds=1.0).message


def test_processes_that_a_manifest_starts_end_with_it(tree, read):
    (tree / "manifest.py").write_text(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    open('/proc/self/comm', 'w').write('left-over')\n"
        "    time.sleep(600)\n"
    )
    assert read() == ()
    assert "left-over" not in names_of_processes()


def names_of_processes():
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.add((folder / "comm").read_text().strip())
    return found


def test_one_that_prints_without_end_is_read_all_the_same(tree, read):
    (tree / "manifest.py").write_text(
        "import sys\nfor _ in range(200):\n    print('x' * 100_000)\n    sys.stderr.write('y' * 100_000)\n"
    )
    assert read() == ()


def test_a_schedule_that_makes_no_sense_names_the_line_of_its_register(tree, read):
    (tree / "manifest.py").write_text(
        f"{REGISTER}def run(): ...\njob_registry.register(JobConfig(id='a', cron='0 0 31 2 *', func=run))\n"
    )
    error = broken(read, check=lambda job: f"{job.cron} never comes")
    assert (error.message, error.place) == ("job 'a': 0 0 31 2 * never comes", "manifest.py:3")


# --- job files with an environment of their own ---------------------------------------------------------------------

SCRIPT = "# /// script\n# dependencies = ['six']\n# ///\n"


def with_script(tree, body, config="id='a', func=run"):
    (tree / "jobs" / "a.py").write_text(SCRIPT + body)
    (tree / "manifest.py").write_text(f"{REGISTER}from jobs.a import run\njob_registry.register(JobConfig({config}))\n")


def test_a_file_with_its_own_packages_is_read_in_its_own_environment(tree, read, tmp_path):
    with_script(tree, "import six\ndef run(ctx, count: int = 3): ...\n", "id='a', func=run, params={'count': 4}")
    asked = []

    def interpreter(file):
        asked.append(file)
        folder = tmp_path / "site" / "bin"
        folder.mkdir(parents=True)
        python = folder / "python"
        python.write_text(  # an environment: the packages of its own, in front of the standard library's
            f"#!/bin/sh\nexec {Interpreter.base().program} -c \"import sys; sys.path.insert(0, '{tmp_path}/site'); "
            "sys.argv = sys.argv[1:]; sys.path.insert(0, ''); import runpy; "
            'runpy.run_path(sys.argv[0], run_name=\'__main__\')" "$3" "$4"\n'
        )
        python.chmod(0o755)
        (tmp_path / "site" / "six.py").write_text("")
        return Interpreter.of(tmp_path / "site")

    (job,) = read(script_interpreter=interpreter)
    assert asked == ["jobs/a.py"]
    assert (job.placeholder, job.script_environment, job.wants_context) == (False, True, True)
    assert [each.name for each in job.parameters] == ["count"] and job.params == {"count": 4}
    assert job.source_line == 5


def test_a_package_that_its_own_environment_lacks_is_an_error_in_that_file(tree, read):
    with_script(tree, "import six_that_is_not_there\ndef run(): ...\n")
    error = broken(read)
    assert error.place == "jobs/a.py:4" and "six_that_is_not_there" in error.message


def test_a_function_that_the_file_does_not_have_is_an_error_in_that_file(tree, read):
    with_script(tree, "def other(): ...\n")
    assert "run" in broken(read).message


def test_parameters_that_do_not_fit_name_the_register(tree, read):
    with_script(tree, "def run(count: int): ...\n", "id='a', func=run, every=60")
    error = broken(read)
    assert error.place == "manifest.py:3" and "count" in error.message


def test_the_second_child_is_ended_as_the_first_would_be(tree, read):
    with_script(tree, "while True: pass\ndef run(): ...\n")
    error = broken_where_it_stands(read)
    assert "still not read after" in error.message and error.place == "jobs/a.py:4"
