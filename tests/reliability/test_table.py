"""The page of figures is written by a whole, green run alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.table import PROMISES

HERE = Path(__file__).parent
SUITE = """
import pytest
from tests.reliability import table

@pytest.mark.parametrize("promise", list(table.PROMISES))
def test_one(promise, proves):
    proves(promise, f"0 of 7 for {promise}", control="2 of 7")
    assert GREEN
"""


@pytest.mark.parametrize(
    ("arguments", "green", "written"),
    [
        (["-p", "xdist.plugin", "-n", "2"], "True", True),
        (["-p", "xdist.plugin", "-n", "2"], "promise != 'P3'", False),
        ([], "True", True),
        (["-k", "P3"], "True", False),
    ],
    ids=["whole", "red", "one-process", "a-part"],
)
def test_the_page_is_written_by_a_whole_and_green_run(tmp_path, arguments, green, written):
    (tmp_path / "tests" / "reliability").mkdir(parents=True)
    for name in ("__init__.py", "table.py"):
        shutil.copy(HERE / name, tmp_path / "tests" / "reliability")
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "docs").mkdir()
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nbehind\n")
    (tmp_path / "tests" / "conftest.py").write_text('pytest_plugins = ["tests.reliability.table"]\n')
    (tmp_path / "tests" / "test_one.py").write_text(SUITE.replace("GREEN", green))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "tests"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, timeout=60)
    page = tmp_path / "docs" / "reliability.md"
    assert page.exists() == written
    assert readme.read_text().startswith("before\n") and readme.read_text().endswith("behind\n")
    assert ("old" in readme.read_text()) != written
    assert ("| 0 of 7 for P12 |" in readme.read_text()) == written
    if written:
        assert page.read_text().count("| 0 of 7 for P") == len(PROMISES)
