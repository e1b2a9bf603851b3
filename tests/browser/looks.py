"""The four looks of a page, and which of them a test has: each test has one, and `make soak` gives it every one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple
from zlib import crc32

from playwright.sync_api import Page, ViewportSize

WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


class Look(NamedTuple):
    size: ViewportSize
    theme: Literal["light", "dark"]
    """What the system asks for; pages follow it unless somebody has turned the theme."""

    @property
    def phone(self) -> bool:
        return self.size is PHONE


LOOKS = {
    "wide-light": Look(WIDE, "light"),
    "wide-dark": Look(WIDE, "dark"),
    "phone-light": Look(PHONE, "light"),
    "phone-dark": Look(PHONE, "dark"),
}


def chosen(test: str, wish: str | None, pinned: Iterable[str] = ()) -> str | None:
    """Its name: the one that is wished for, else one that stays with the test's name. None: the test never has that."""
    possible = [name for name in LOOKS if name in pinned] or list(LOOKS)
    if wish is None:
        return possible[crc32(test.encode()) % len(possible)]
    if wish not in LOOKS:
        raise ValueError(f"LONGHOUSE_LOOK is {wish!r}; it is one of {', '.join(LOOKS)}")
    return wish if wish in possible else None


class Now:
    """The look of the test that runs."""

    look = LOOKS["wide-light"]


def wear(page: Page, look: Look | None = None) -> Page:
    """The page gets this look, else that of the test that runs."""
    look = look or Now.look
    if page.viewport_size != look.size:
        page.set_viewport_size(look.size)
    page.emulate_media(color_scheme=look.theme)
    return page
