"""Pages of lists: `{items, next}`, a limit, and a Link header."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from longhouse.errors import Invalid

LARGEST = 2**53 - 1

Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
Cursor = Annotated[
    str | None, Query(max_length=100, description="`next` of the page before; leave it out for the first page.")
]


def number(cursor: str | None) -> int | None:
    """The cursor of a list that is paged by number. Raises Invalid."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) <= LARGEST):
        message = "this cursor is not the `next` of a page"
        raise Invalid(message, errors=[{"in": "query", "pointer": "/cursor", "message": message}])
    return int(cursor)


def link_next(request: Request, response: Response, cursor: str | None) -> str | None:
    """`cursor`, after naming the next page in the Link header."""
    if cursor is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query = urlencode([*kept, ("cursor", cursor)])
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return cursor
