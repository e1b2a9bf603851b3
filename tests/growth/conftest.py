"""The vectors of the contract, and the `growth` command as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from growth_cast import VECTORS, Ran

from growth.cli import main


@pytest.fixture(scope="session")
def vectors() -> Path:
    if not VECTORS.is_dir():
        pytest.skip("the contract vectors are not beside this repository")
    return VECTORS


@pytest.fixture
def growth(monkeypatch, capfdbinary) -> Callable[..., Ran]:
    """Runs the command in a folder, with nothing of ours in the environment but `env`."""

    def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Ran:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("GROWTH_")]:
                patch.delenv(name)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            patch.chdir(cwd)
            patch.setattr(sys, "argv", ["growth", *arguments])
            capfdbinary.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capfdbinary.readouterr()
        return Ran(ended.value.code or 0, captured.out.decode(), captured.err.decode())

    return run


@pytest.fixture
def growth_process() -> Callable[..., Ran]:
    """The same in a process of its own: for time zones, locales and what only a process shows."""

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
