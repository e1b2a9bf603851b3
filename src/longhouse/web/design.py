"""The page that shows the design language live: the tokens as longhouse.css has them, and the components."""

from __future__ import annotations

import re

from fastapi import Depends, Request, Response

from longhouse.doors import needs
from longhouse.web.assets import FOLDER
from longhouse.web.page import page, pages

router = pages()

SPACES = tuple(f"s{step}" for step in range(1, 8))
SIZES = ("small", "body", "large", "title")
OTHERS = ("sans", "mono", "round")


def tokens() -> dict[str, str]:
    """The name of each token, without its dashes, and its value; in the order of the stylesheet."""
    sheet = (FOLDER / "longhouse.css").read_text(encoding="utf-8")
    first = sheet.partition(":root {")[2].partition("}")[0]
    return dict(re.findall(r"--([a-z0-9-]+):\s*([^;]+);", first))


TOKENS = tokens()
COLOURS = tuple(name for name in TOKENS if name not in (*SPACES, *SIZES, *OTHERS))


@router.get("/settings/design", dependencies=[Depends(needs("jobs:read"))])
def design_page(request: Request) -> Response:
    return page(request, "design.html", tokens=TOKENS, colours=COLOURS, spaces=SPACES, sizes=SIZES)
