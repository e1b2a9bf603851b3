"""Whose analysis this is, and the ids and time its documents carry."""

from collections.abc import Callable
from dataclasses import dataclass

from growth.moments import STABLE_MOMENT


@dataclass(frozen=True)
class Run:
    """`now` is a wire datetime; `new_id` makes an id that no other run has. A stable run uses neither."""

    tenant_id: str
    project_id: str
    trace_id: str
    now: str
    new_id: Callable[[], str]
    stable: bool = False

    def named(self, kind: str, number: int) -> str:
        """Id of the `number`th thing of a kind: `finding-1` in a stable run."""
        return f"{kind}-{number}" if self.stable else f"{kind}-{self.new_id()}"

    def only(self, kind: str) -> str:
        """Id of the one document of a kind."""
        return f"{kind}-stable" if self.stable else f"{kind}-{self.new_id()}"


def stable_run(tenant_id: str, project_id: str, trace_id: str) -> Run:
    return Run(tenant_id, project_id, trace_id, STABLE_MOMENT, lambda: "stable", stable=True)
