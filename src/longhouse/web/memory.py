"""What a job keeps in `ctx.state`, on its page: keys and sizes, and the button that clears it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Depends, Request, Response

from longhouse import jobs
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.house import House
from longhouse.web.page import acted, pages
from zerg._wire import MAX_STATE_BYTES, size_of_entry

router = pages()

MOST = 20
"""Keys that a page names."""


@dataclass(frozen=True)
class Memory:
    entries: list[tuple[str, int]]
    """Keys and how many bytes each takes, the largest first; at most MOST."""
    more: int
    """Keys that are not named."""
    bytes: int
    limit: int = MAX_STATE_BYTES


def memory_of(house: House, job_id: str) -> Memory:
    sizes = {key: size_of_entry(key, value) for key, value in jobs.memory(house, job_id).items()}
    entries = sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))
    return Memory(entries[:MOST], max(0, len(entries) - MOST), sum(sizes.values()))


@router.post("/jobs/{job_id}/forget", dependencies=[Depends(needs("jobs:write"))])
def forget(request: Request, job_id: str, house: TheHouse, caller: TheCaller) -> Response:
    def act() -> str:
        count = jobs.forget(house, job_id, None, caller.by)
        return f"{job_id} has forgotten {count} key{'' if count == 1 else 's'}."

    return acted(request, act, f"/jobs/{job_id}")
