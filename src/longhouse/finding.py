"""What lists show: jobs that fit what somebody looks for, in groups if wanted, a page at a time; and which runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from longhouse import jobs, pauses
from longhouse.house import House
from longhouse.jobs import Overview
from longhouse.moments import moment_of
from longhouse.pauses import INSTANCE
from longhouse.store import jobs as rows
from longhouse.store.run_search import Wanted

SHOWS = ("on", "off", "paused", "failing", "never")
"""on, off: enabled or not. failing: the run that ended last failed. never: it has no run."""
GROUPS = ("project", "tag")


@dataclass(frozen=True)
class Looked:
    """What jobs somebody looks for; empty is no condition."""

    text: str = ""
    """All its words, each in the id, description, project or a tag; capitals do not count."""
    show: str = ""
    tag: str = ""
    project: str = ""

    @property
    def any(self) -> bool:
        return self != Looked()


class Label(NamedTuple):
    """A job as it is searched."""

    id: str
    description: str
    project: str
    tags: tuple[str, ...]
    enabled: bool
    paused: bool
    last: str | None = None
    ran: bool = False


@dataclass(frozen=True)
class Group:
    """Part of a page: the jobs of one project or tag, or of none ('')."""

    name: str
    count: int
    """In all, also on other pages."""
    items: list[Overview]


@dataclass(frozen=True)
class Found:
    total: int
    """Jobs that fit; each once."""
    known: int
    """Jobs of the manifest."""
    groups: list[Group]
    """One without a name if none were wanted."""
    pages: int
    tags: list[str]
    """Those there are, to choose from."""
    projects: list[str]


def matches(label: Label, looked: Looked) -> bool:
    if looked.project and label.project != looked.project:
        return False
    if looked.tag and looked.tag not in label.tags:
        return False
    if looked.show and not _stands(label, looked.show):
        return False
    words = looked.text.casefold().split()
    if not words:
        return True
    text = "\n".join((label.id, label.description, label.project, *label.tags)).casefold()
    return all(word in text for word in words)


def _stands(label: Label, show: str) -> bool:
    return {
        "on": label.enabled,
        "off": not label.enabled,
        "paused": label.enabled and label.paused,
        "failing": label.last == "failed",
        "never": not label.ran,
    }[show]


def placed(labels: Iterable[Label], group: str) -> list[tuple[str, str]]:
    """(group, id) in the order of the list. A job is once under each of its tags; those without come last."""
    if not group:
        return [("", label.id) for label in sorted(labels)]
    pairs = [(name, label.id) for label in labels for name in (_names(label, group) or ("",))]
    return sorted(pairs, key=lambda pair: (pair[0] == "", pair[0].casefold(), *pair))


def _names(label: Label, group: str) -> tuple[str, ...]:
    if group == "tag":
        return label.tags
    return (label.project,) if group == "project" and label.project else ()


def find(house: House, looked: Looked, *, group: str = "", page: int = 1, limit: int = 50) -> Found:
    """Page `page`, from 1, of `limit` rows."""
    every = _labels(house, looked)
    fitting = [label for label in every if matches(label, looked)] if looked.any else every
    rows_of_list = placed(fitting, group)
    counts: dict[str, int] = {}
    for name, _ in rows_of_list:
        counts[name] = counts.get(name, 0) + 1
    shown = rows_of_list[(page - 1) * limit : page * limit]
    items = {item.job.id: item for item in jobs.overviews(house, list(dict.fromkeys(job_id for _, job_id in shown)))}
    groups = [
        Group(name, counts[name], [items[job_id] for _, job_id in pairs if job_id in items])
        for name, pairs in groupby(shown, key=lambda pair: pair[0])
    ]
    return Found(
        total=len(fitting),
        known=len(every),
        groups=groups,
        pages=-(-len(rows_of_list) // limit),
        tags=sorted({tag for label in every for tag in label.tags}),
        projects=sorted({label.project for label in every if label.project}),
    )


def ids(house: House, looked: Looked) -> list[str]:
    """Of all jobs that fit, in order."""
    return [label.id for label in _labels(house, looked) if matches(label, looked)]


def _labels(house: House, looked: Looked) -> list[Label]:
    with house.db.read() as db:
        found = rows.labels(db, last=looked.show == "failing", ran=looked.show == "never")
    held = pauses.current(house)
    everything = INSTANCE in held
    return [
        Label(
            job_id,
            description,
            project or "",
            tuple(json.loads(tags)) if tags not in (None, "[]") else (),
            bool(enabled),
            everything or job_id in held,
            last,
            bool(ran),
        )
        for job_id, description, project, tags, enabled, last, ran in found
    ]


# --- runs -----------------------------------------------------------------------------------------------------------

AGO = re.compile(r"([0-9]{1,6})(m|h|d)")
UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def runs_wanted(house: House, *, since: str = "", until: str = "", **others: Any) -> Wanted:
    """`others` as in Wanted, empty ones left out. Times as people give them, or `24h`, `30m`, `7d`: so long ago.

    Raises Invalid naming the time.
    """
    return Wanted(
        since=_time(house, "since", since),
        until=_time(house, "until", until),
        **{name: value for name, value in others.items() if value},
    )


def _time(house: House, field: str, text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    ago = AGO.fullmatch(text)
    if ago:
        return max(0, house.clock.now() - int(ago[1]) * UNITS_MS[ago[2]])
    return moment_of(house, field, text)
