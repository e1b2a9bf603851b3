"""Reads the whole database now and then: damage that nobody stumbles over would grow into the backups."""

from __future__ import annotations

from longhouse.house import House
from longhouse.logs import Log
from longhouse.store import integrity

log = Log("longhouse.integrity")

LOOK_SECONDS = 3600.0
WEEK_MS = 7 * 24 * 3600 * 1000
FIRST_SECONDS = 60.0
"""After the start, which has more urgent things to read."""


def step(house: House) -> float:
    """A whole check when the last one is a week old, or when the start had no time to finish its own."""
    now = house.clock.now()
    if now - house.up_since < FIRST_SECONDS * 1000:
        return FIRST_SECONDS
    with house.db.read() as db:
        last = integrity.last(db)
    if house.db.checked and last is not None and now - last.at < WEEK_MS:
        return LOOK_SECONDS
    found = house.db.check(whole=True, stop=house.feed.closing.is_set)
    if found is None:
        return LOOK_SECONDS  # we are stopping
    house.db.checked = True
    if found:
        log.error("the database is damaged", found="; ".join(found))
    with house.db.write() as db:
        integrity.note(db, integrity.Checked(house.clock.now(), found))
    return LOOK_SECONDS
