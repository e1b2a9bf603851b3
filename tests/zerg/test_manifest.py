"""A real child reads a manifest: what it describes, and what it says when it cannot."""

from __future__ import annotations

import _lsprof
import shutil
from typing import TYPE_CHECKING

import pytest

from zerg._wire import Busy, FunctionsRead, ManifestRead, Parameter

if TYPE_CHECKING:
    from tests.zerg.conftest import Tree

SPEC = """
    from zerg.jobs import job_registry, JobConfig
    from jobs.daily_digest import run as daily_digest

    job_registry.register(JobConfig(
        id="daily-digest",
        cron="0 8 * * *",
        func=daily_digest,
        description="Send my daily summary.",
    ))
"""
SCRIPT = """
    # /// script
    # dependencies = ["no-such-package"]
    # ///
    import no_such_package


    def run(ctx, *, count: int = 3):
        return no_such_package.work(count)
"""


def test_the_example_of_the_spec_is_read_word_for_word(tree: Tree) -> None:
    jobs = tree.write(manifest=SPEC, jobs__daily_digest="import os\n\n\ndef run():\n    pass\n").jobs()
    job = jobs["daily-digest"]
    assert (job.module, job.function, job.cron) == ("jobs.daily_digest", "run", "0 8 * * *")
    assert (job.file, job.line) == ("manifest.py", 4)
    assert (job.source_file, job.source_line) == ("jobs/daily_digest.py", 4)
    assert job.description == "Send my daily summary."
    assert not job.placeholder


def test_a_job_is_registered_where_its_register_stands_in_loops_functions_and_calls_of_many_lines(tree: Tree) -> None:
    manifest = """
        from zerg.jobs import job_registry, JobConfig
        from jobs.one import run, more

        def both(name):
            job_registry.register(JobConfig(id=name, func=run))
            job_registry.register(
                JobConfig(
                    id=name + "-long",
                    func=run))

        for name in ("x", "y"):
            both(name)
            job_registry.register(JobConfig(id=name + "-last", func=run))
            more(name)
        job_registry.register(JobConfig(id="z", func=run))
    """
    tree.write(
        manifest=manifest,
        jobs__one="""
            from zerg.jobs import job_registry, JobConfig

            def run(): pass

            def more(name):
                job_registry.register(JobConfig(id=name + "-elsewhere", func=run))
        """,
    )
    lines = {"": 5, "-long": 6, "-last": 13}
    expected = {f"{name}{end}": ("manifest.py", line) for name in ("x", "y") for end, line in lines.items()}
    expected |= {f"{name}-elsewhere": ("jobs/one.py", 6) for name in ("x", "y")}
    expected["z"] = ("manifest.py", 15)
    assert {job.id: (job.file, job.line) for job in tree.jobs().values()} == expected


def test_of_a_file_and_a_folder_of_one_name_a_package_comes_first_and_a_mere_folder_last(tree: Tree) -> None:
    tree.write(
        manifest="""
            import importlib
            import pathlib

            from zerg.jobs import job_registry, JobConfig
            from jobs import both, file
            from jobs.one import run

            assert (both.FROM, file.FROM) == ("package", "file")
            pathlib.Path(__file__).with_name("late.py").write_text("FROM = 'late'")
            importlib.invalidate_caches()
            import late

            job_registry.register(JobConfig(id="one", func=run, description=late.FROM))
        """,
        jobs__one="def run(): pass\n",
        jobs__both="FROM = 'file'\n",
        jobs__file="FROM = 'file'\n",
    )
    for folder in ("both", "file"):
        (tree.root / "jobs" / folder).mkdir()
    (tree.root / "jobs" / "both" / "__init__.py").write_text("FROM = 'package'\n")
    assert tree.jobs()["one"].description == "late"


@pytest.mark.parametrize("package", [False, True])
@pytest.mark.parametrize("line", ["from jobs.one import run", "from .jobs.one import run"])
def test_jobs_are_imported_with_and_without_init_py(tree: Tree, package: bool, line: str) -> None:
    tree.write(
        manifest=f"""
            from zerg.jobs.registry import job_registry, JobConfig
            {line}
            job_registry.register(JobConfig(id="one", func=run))
        """,
        jobs__one="from .shared import NAME\nfrom jobs.shared import NAME as again\n\n\ndef run(): return NAME\n",
        jobs__shared="NAME = 'x'\n",
    )
    if package:
        tree.write(jobs____init__="")
    job = tree.jobs()["one"]
    assert (job.module, job.source_file) == ("jobs.one", "jobs/one.py")
    assert tree.run().final.result == "x"  # type: ignore[union-attr]


def test_parameters_and_context_are_described(tree: Tree) -> None:
    tree.write(
        manifest="""
            from zerg.jobs import job_registry, JobConfig
            from jobs.one import run
            import datetime
            job_registry.register(JobConfig(id="one", func=run, every=60, params={"day": datetime.date(2026, 2, 4)}))
        """,
        jobs__one="""
            from __future__ import annotations
            from datetime import date

            def run(ctx, day: date, *, count: int = 3): ...
        """,
    )
    job = tree.jobs()["one"]
    assert job.wants_context
    assert job.params == {"day": "2026-02-04"}
    assert job.parameters == (
        Parameter(name="day", kind="date", required=True),
        Parameter(name="count", kind="int", required=False, default=3),
    )


def test_a_function_of_the_manifest_itself_can_be_a_job(tree: Tree) -> None:
    tree.write(
        manifest="""
            from zerg.jobs import job_registry, JobConfig

            def run():
                return "from the manifest"

            job_registry.register(JobConfig(id="one", func=run))
        """
    )
    job = tree.jobs()["one"]
    assert (job.module, job.source_file, job.source_line) == ("manifest", "manifest.py", 3)
    assert tree.run(module="manifest").final.result == "from the manifest"  # type: ignore[union-attr]


def test_a_decorated_or_renamed_function_is_found_under_its_name(tree: Tree) -> None:
    tree.write(
        manifest="""
            from zerg.jobs import job_registry, JobConfig
            from jobs.one import run, short
            job_registry.register(JobConfig(id="one", func=run))
            job_registry.register(JobConfig(id="two", func=short))
        """,
        jobs__one="""
            def decorated(function):
                def inner():
                    return function()
                return inner

            @decorated
            def run():
                return 1

            short = lambda: 2
        """,
    )
    assert [job.function for job in tree.jobs().values()] == ["run", "short"]
    assert tree.run("short").final.result == 2  # type: ignore[union-attr]


# --- files with requirements of their own ---------------------------------------------------------------------------


def test_a_file_with_requirements_of_its_own_is_only_named(tree: Tree) -> None:
    tree.write(
        manifest="""
            from zerg.jobs import job_registry, JobConfig
            from jobs.one import run
            import jobs.one
            job_registry.register(JobConfig(id="one", cron="@daily", func=run))
            job_registry.register(JobConfig(id="two", func=jobs.one.run))
        """,
        jobs__one=SCRIPT,
    )
    one, two = tree.jobs().values()
    assert one.placeholder
    assert one.script_environment
    assert (one.module, one.function, one.source_file, one.source_line) == ("jobs.one", "run", "jobs/one.py", 7)
    assert two.module == one.module


def test_its_functions_are_read_where_its_packages_are(tree: Tree) -> None:
    tree.write(jobs__one=SCRIPT.replace("import no_such_package", "no_such_package = None"))
    answer = tree.read(modules=("jobs.one",), functions=("run",))
    assert answer.final == FunctionsRead(
        parameters=((Parameter(name="count", kind="int", required=False, default=3),),),
        wants_context=(True,),
        source_lines=(7,),
    )


def test_its_errors_are_told_by_that_second_child(tree: Tree) -> None:
    tree.write(jobs__one=SCRIPT)
    failed = tree.broken(modules=("jobs.one",), functions=("run",))
    assert "No module named 'no_such_package'" in failed.error
    assert (failed.file, failed.line) == ("jobs/one.py", 4)
    tree.write(jobs__one="")
    assert "has no function run()" in tree.broken(modules=("jobs.one",), functions=("run",)).error


BAD_SCRIPTS = {
    "a syntax error": ("from jobs.one import run", SCRIPT + "\n    def broken(:\n", "SyntaxError: invalid syntax", 10),
    "no such name": ("from jobs.one import walk", SCRIPT, "cannot import name 'walk' from 'jobs.one'", 1),
    "a call": ("from jobs.one import run\nrun()", SCRIPT, "cannot be called here", 2),
    "two blocks": ("import jobs.one", SCRIPT + "\n    # /// script\n    # ///\n", "has two '# /// script' blocks", 1),
}


@pytest.mark.parametrize("case", BAD_SCRIPTS)
def test_mistakes_around_such_files_are_told(tree: Tree, case: str) -> None:
    manifest, job, error, line = BAD_SCRIPTS[case]
    failed = tree.write(manifest=manifest, jobs__one=job).broken()
    assert error in failed.error
    assert failed.line == line


def test_the_manifest_itself_has_no_requirements_of_its_own(tree: Tree) -> None:
    failed = tree.write(manifest="# /// script\n# ///\n").broken()
    assert "manifest.py cannot have requirements of its own" in failed.error


# --- what can be wrong ----------------------------------------------------------------------------------------------

HEAD = "from zerg.jobs import job_registry, JobConfig\nfrom jobs.one import run\n"
GOOD = "def run(): pass\n"
BROKEN = {
    "a syntax error": (HEAD + "job_registry.register(\n", GOOD, "SyntaxError: '(' was never closed", "manifest.py", 3),
    "a syntax error in a job": (HEAD, "x = 1\ndef run(:\n", "SyntaxError: invalid syntax", "jobs/one.py", 2),
    "an unknown name": (HEAD + "\nJobConfg(id='x')\n", GOOD, "NameError: name 'JobConfg'", "manifest.py", 4),
    "an error in a job": (HEAD, "x = 1\n1 / 0\n", "ZeroDivisionError: division by zero", "jobs/one.py", 2),
    "a missing package": (HEAD, "import requests\n", "No module named 'requests'", "jobs/one.py", 1),
    "a missing file": ("from jobs.two import run\n", GOOD, "No module named 'jobs.two'", "manifest.py", 1),
    "a missing function": (HEAD, "def walk(): pass\n", "cannot import name 'run'", "manifest.py", 2),
    "sys.exit": (HEAD + "import sys\nsys.exit(3)\n", GOOD, "manifest.py calls sys.exit(3)", "manifest.py", 4),
    "sys.exit in a job": (HEAD, "raise SystemExit\n", "jobs/one.py calls sys.exit()", "jobs/one.py", 1),
    "an interrupt": (HEAD + "raise KeyboardInterrupt\n", GOOD, "KeyboardInterrupt", "manifest.py", 3),
    "endless recursion": (HEAD + "def f(): f()\nf()\n", GOOD, "Endless recursion", "manifest.py", 3),
    "too much memory": (HEAD + "x = bytearray(1 << 40)\n", GOOD, "needs more memory", "manifest.py", 3),
    "nul bytes": ("x = 1\0\n", GOOD, "null bytes", "manifest.py", None),
    "a wrong setting": (HEAD + "\nJobConfig(\n  id='A', func=run)\n", GOOD, "job 'A': id is 'A'", "manifest.py", 4),
    "a duplicate id": (
        HEAD + "for _ in 1, 2:\n  job_registry.register(JobConfig(id='one', func=run))\n",
        GOOD,
        "job id 'one' is registered twice: at manifest.py:4 and again at manifest.py:4.",
        "manifest.py",
        4,
    ),
    "two limits": (
        HEAD
        + "".join(
            f"job_registry.register(JobConfig(id='j{n}', func=run, concurrency_group='g', concurrency_limit={n}))\n"
            for n in (1, 2)
        ),
        GOOD,
        "concurrency group 'g' has two limits: 1 for job 'j1' at manifest.py:3 and 2 for job 'j2' at manifest.py:4.",
        "manifest.py",
        4,
    ),
    "a foreign function": (
        HEAD + "import shutil\njob_registry.register(JobConfig(id='one', func=shutil.copyfile))\n",
        GOOD,
        "func is copyfile() of shutil, which is no file of this repo",
        "manifest.py",
        4,
    ),
    "a lambda": (
        HEAD + "job_registry.register(JobConfig(id='one', func=lambda: None))\n",
        GOOD,
        "which manifest.py does not name; give it a name",
        "manifest.py",
        3,
    ),
    "parameters that nobody gives": (
        HEAD + "job_registry.register(JobConfig(id='one', func=run, cron='@daily'))\n",
        "def run(day: str): pass\n",
        "job 'one': parameter 'day' is needed.",
        "manifest.py",
        3,
    ),
    "a parameter that is none": (
        HEAD + "job_registry.register(JobConfig(id='one', func=run, params={'dya': 1, 'day': 2}))\n",
        "def run(day: str): pass\n",
        "job 'one': there is no parameter 'dya'; this job has day; parameter 'day' is 2, but has to be text.",
        "manifest.py",
        3,
    ),
    "a type that is none": (
        HEAD + "job_registry.register(JobConfig(id='one', func=run))\n",
        "def run(day: dict): pass\n",
        "job 'one': parameter 'day' has the type dict",
        "manifest.py",
        3,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_manifest_names_cause_file_and_line(tree: Tree, case: str) -> None:
    manifest, job, error, file, line = BROKEN[case]
    failed = tree.write(manifest=manifest, jobs__one=job).broken()
    assert error in failed.error
    assert (failed.file, failed.line) == (file, line) or (line is None and failed.file in (None, file))
    assert str(tree.root) not in failed.traceback
    assert "zerg/" not in failed.traceback
    assert "importlib" not in failed.traceback
    assert tree.files() == ["jobs", "jobs/one.py", "manifest.py"]


def test_a_missing_manifest_is_said(tree: Tree) -> None:
    assert tree.broken().error == "manifest.py is missing."


def test_a_missing_package_comes_with_a_hint(tree: Tree) -> None:
    failed = tree.write(manifest=HEAD, jobs__one="import requests.sessions\n").broken()
    assert failed.hint.startswith("Add requests to requirements.txt")
    failed = tree.write(manifest="from jobs.two import run\n").broken()
    assert failed.hint == "There is no file jobs/two.py in the repo."


@pytest.mark.parametrize(
    ("one", "two", "loop"),
    [
        ("from jobs.two import b\ndef run(): pass\n", "from jobs.one import run\nb = 1\n", "jobs/one.py"),
        ("import jobs.two\ndef run(): pass\n", "import jobs.one\njobs.one.run\n", "jobs/one.py"),
        ("from manifest import job_registry, X\ndef run(): pass\n", "", "manifest.py"),
    ],
)
def test_an_import_loop_is_called_that(tree: Tree, one: str, two: str, loop: str) -> None:
    failed = tree.write(manifest=HEAD, jobs__one=one, jobs__two=two).broken()
    assert failed.error.startswith("import loop: manifest.py -> jobs/one.py -> ")
    assert f"-> {loop}: " in failed.error
    assert failed.line is not None


def test_a_slow_manifest_says_where_it_is_and_is_ended(tree: Tree) -> None:
    """Even one that catches everything; what it did not finish is not half a manifest."""
    tree.write(
        manifest="""
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """
    )
    from zerg._wire import ReadManifest

    for seconds in (1, 2, 4, 8, 16):  # a busy machine may not have begun within the first of them
        answer = tree.ask(ReadManifest(tree=str(tree.root), busy_after_seconds=0.2), timeout=seconds)
        if answer.notes:
            break
    assert answer.timed_out
    assert answer.final is None
    assert answer.notes
    assert isinstance(answer.notes[0], Busy)
    assert (answer.notes[0].file, answer.notes[0].line in (3, 4)) == ("manifest.py", True)
    assert answer.exit is not None
    assert answer.exit.signal == 9


def test_a_manifest_that_only_takes_a_while_is_read(tree: Tree) -> None:
    tree.write(manifest="import time\ntime.sleep(0.5)\n")
    answer = tree.read(busy_after_seconds=0.1)
    assert answer.final == ManifestRead(jobs=())
    assert Busy(file="manifest.py", line=2) in answer.notes


def test_a_manifest_that_leaves_without_a_word_has_not_been_read(tree: Tree) -> None:
    answer = tree.write(manifest="import os\nos._exit(0)\n").read()
    assert answer.final is None
    assert answer.exit is not None
    assert answer.exit.code == 0


def test_threads_and_children_of_a_manifest_end_with_it(tree: Tree) -> None:
    tree.write(
        manifest="""
            import subprocess, threading, time
            threading.Thread(target=time.sleep, args=(60,)).start()
            subprocess.Popen(["sleep", "60"], start_new_session=True)
        """
    )
    answer = tree.read()
    assert answer.final == ManifestRead(jobs=())
    assert answer.exit is not None
    assert answer.exit.survivors_killed == 1


def test_what_a_manifest_prints_is_kept(tree: Tree) -> None:
    assert bytes(tree.write(manifest="print('loading')\n").read().output) == b"loading\n"


def test_an_edit_within_the_same_second_is_seen(tree: Tree) -> None:
    """Byte code would be taken for current: same size, same time stamp."""
    text = "from zerg.jobs import job_registry, JobConfig\nfrom jobs.one import run, NAME\n"
    tree.write(manifest=text + "job_registry.register(JobConfig(id=NAME, func=run))\n")
    for name in ("one", "two", "six"):
        tree.write(jobs__one=f"NAME = '{name}'\ndef run(): return NAME\n")
        assert list(tree.jobs()) == [name]
        assert tree.run().final.result == name  # type: ignore[union-attr]
    assert tree.files() == ["jobs", "jobs/one.py", "manifest.py"]


def test_a_module_written_in_c_is_found_before_one_in_python(tree: Tree) -> None:
    file = getattr(_lsprof, "__file__", None)
    if file is None:
        pytest.skip("this interpreter has it built in")
    shutil.copy(file, tree.root)
    (tree.root / "_lsprof.py").write_text("raise RuntimeError\n")
    tree.write(manifest="import _lsprof\nassert _lsprof.__file__.startswith(__path__[0]), _lsprof.__file__\n")
    assert tree.read().final == ManifestRead(jobs=())
