"""What a form sent, for routes that are plain functions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData


async def _form(request: Request) -> FormData:
    return await request.form(max_fields=1000)


TheForm = Annotated[FormData, Depends(_form)]


def back_to_job(job_id: str, form: FormData) -> str:
    """Where a button about a job was pressed: in the list, or on the job's own page."""
    return "/jobs" if form.get("from") == "jobs" else f"/jobs/{job_id}"


def wants_toast(request: Request) -> bool:
    """Our own script sent the form and stays on the page; it wants a sentence to show."""
    return "x-toast" in request.headers
