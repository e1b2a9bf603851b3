"""If a job were due at some moment: what would become of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response

from longhouse import forecast
from longhouse.doors import TheHouse, needs
from longhouse.errors import Invalid
from longhouse.web import forms
from longhouse.web.page import page, pages

router = pages()


@router.get("/jobs/{job_id}/forecast", dependencies=[Depends(needs("jobs:read")), Depends(needs("runs:read"))])
def forecast_page(
    request: Request,
    job_id: str,
    house: TheHouse,
    at: Annotated[str, Query(max_length=64)],
) -> Response:
    try:
        shown = {"found": forecast.forecast(house, job_id, at), "wrong": ""}
    except Invalid as error:
        shown = {"found": None, "wrong": forms.wrong_with(error, "at")}
    status = 422 if shown["wrong"] else 200
    return page(request, "forecast.html", status=status, job_id=job_id, asked=at, **shown)
