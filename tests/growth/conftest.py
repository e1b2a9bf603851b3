"""The vectors of the contract, and the `growth` command as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from growth_cast import VECTORS, Ran


@pytest.fixture(scope="session")
def vectors() -> Path:
    if not VECTORS.is_dir():
        pytest.skip("the contract vectors are not beside this repository")
    return VECTORS


@pytest.fixture
def growth() -> Callable[..., Ran]:
    """Runs the command in a process of its own, in a folder, with nothing of ours in the environment."""

    def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Ran:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GROWTH_")}
        done = subprocess.run(
            [sys.executable, "-m", "growth.cli", *arguments],
            cwd=cwd,
            env={**clean, **(env or {})},
            capture_output=True,
            check=False,
            timeout=120,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
