"""What this job is for, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerg.context import Context


def run(ctx: Context) -> Any:
    """Parameters after ctx become the fields of the form that starts the job."""
    print(f"Hello from {ctx.job_id}, run {ctx.run_id}.")
    return {"done": True}
