"""A Python traceback taken apart: the steps in the jobs repo, and those in libraries, which are rarely at fault."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

STEP = re.compile(r'  File "([^"\n]{1,1000})", line (\d{1,9})(?:, in (.{1,300}))?')
MOST = 200
"""Steps; what comes after them is text."""


@dataclass
class Step:
    file: str
    line: int
    function: str
    code: list[str] = field(default_factory=list)

    @property
    def own(self) -> bool:
        """In the jobs repo: its paths are told from there, all others are absolute or no files at all."""
        return not self.file.startswith(("/", "<", "..")) and "/../" not in self.file


@dataclass
class Group:
    """Steps that stand together; or text between them, such as the exception itself."""

    own: bool = False
    steps: list[Step] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def groups(text: str) -> list[Group]:
    """In the order of the traceback. Empty when it has no step in the repo: then it is best read as it is."""
    found: list[Group] = []
    steps, inside = 0, False
    for line in text.splitlines():
        match = STEP.fullmatch(line) if steps < MOST else None
        if match:
            step = Step(match[1], int(match[2]), match[3] or "")
            if not (found and found[-1].steps and found[-1].own == step.own):
                found.append(Group(own=step.own))
            found[-1].steps.append(step)
            steps, inside = steps + 1, True
        elif inside and line.startswith("    "):
            found[-1].steps[-1].code.append(line[4:])
        else:
            inside = False
            if not (found and found[-1].text):
                found.append(Group())
            found[-1].text.append(line)
    return found if any(group.own for group in found) else []
