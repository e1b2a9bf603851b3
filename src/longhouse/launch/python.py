"""How a child's interpreter is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from longhouse.launch._supervisor import MESSAGES_FD
from longhouse.launch.local import Spec
from longhouse.launch.sdk import BOOTSTRAP

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Interpreter:
    """Of an environment that was built, or the bare one: the standard library and nothing else."""

    program: Path
    bare: bool = True

    @classmethod
    def base(cls) -> Interpreter:
        return cls(Path(getattr(sys, "_base_executable", None) or sys.executable))

    @classmethod
    def of(cls, environment: Path) -> Interpreter:
        """That of a virtual environment."""
        return cls(environment / "bin" / "python", bare=False)

    @property
    def flags(self) -> tuple[str, ...]:
        """Isolated from variables and the user's own packages. -B is for interpreters that the job starts in turn."""
        return ("-I", "-S", "-B") if self.bare else ("-I", "-B")

    @property
    def path(self) -> str:
        return PATH if self.bare else f"{self.program.parent}:{PATH}"


def python_spec(
    interpreter: Interpreter, sdk: Path, *, cwd: Path, marker: str, zone: str = "UTC", memory_mb: int | None = None
) -> Spec:
    """A child that waits for its one request. Of the instance's own environment it sees nothing.

    `cwd` is its working directory, home and place for temporary files; `zone` what its clock shows.
    """
    return Spec(
        argv=(str(interpreter.program), *interpreter.flags, str(sdk / BOOTSTRAP), str(MESSAGES_FD)),
        env={
            "PATH": interpreter.path,
            "HOME": str(cwd),
            "TMPDIR": str(cwd),
            "LANG": "C.UTF-8",
            "TZ": zone,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=cwd,
        marker=marker,
        memory_mb=memory_mb,
    )
