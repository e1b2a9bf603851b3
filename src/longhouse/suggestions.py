"""What could be meant while somebody types into a filter: a few values there are, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from longhouse import activity
from longhouse.house import House
from longhouse.store import jobs as job_rows
from longhouse.store import run_search

MOST = 20
SHOWN = 12
"""Characters of a commit's or environment's name: enough to tell it from others."""
LONGEST = 80


@dataclass(frozen=True)
class Suggestion:
    value: str
    about: str = ""
    """A word about it, may be empty."""


def suggest(house: House, field: str, text: str) -> list[Suggestion]:
    """At most MOST values of `field`, one of FIELDS, those that begin with the text before those that hold it."""
    return FIELDS[field](house, text.strip())[:MOST]


def _fitting(found: Iterable[Suggestion], text: str) -> list[Suggestion]:
    """Capitals do not count. Twice the same is once."""
    wanted = text.casefold()
    places = {each: each.value.casefold().find(wanted) for each in dict.fromkeys(found)}
    fitting = [each for each, place in places.items() if place >= 0]
    return sorted(fitting, key=lambda each: (places[each] > 0, each.value.casefold(), each.value))


def _jobs(house: House, text: str) -> list[Suggestion]:
    with house.db.read() as db:
        found = job_rows.named(db, text, MOST)
    return [Suggestion(row["id"], row["description"][:LONGEST]) for row in found]


def _tags(house: House, text: str) -> list[Suggestion]:
    with house.db.read() as db:
        return _fitting(map(Suggestion, job_rows.tags(db)), text)


def _projects(house: House, text: str) -> list[Suggestion]:
    with house.db.read() as db:
        return _fitting(map(Suggestion, job_rows.projects(db)), text)


def _names(house: House, text: str) -> list[Suggestion]:
    """Of projects, tags and jobs: what a search for jobs looks into."""
    with house.db.read() as db:
        projects = [Suggestion(each, "project") for each in job_rows.projects(db)]
        tags = [Suggestion(each, "tag") for each in job_rows.tags(db)]
    return _fitting([*projects, *tags], text)[: MOST // 2] + _jobs(house, text)


def _of_runs(name: str) -> Callable[[House, str], list[Suggestion]]:
    def found(house: House, text: str) -> list[Suggestion]:
        with house.db.read() as db:
            return [Suggestion(each[: max(SHOWN, len(text))]) for each in run_search.values(db, name, text)]

    return found


def _actors(house: House, text: str) -> list[Suggestion]:
    return [Suggestion(each) for each in activity.called(house, text, MOST)]


def _acts(house: House, text: str) -> list[Suggestion]:
    groups = [Suggestion(name, label) for name, (label, _) in activity.GROUPS.items()]
    return _fitting([*groups, *map(Suggestion, activity.VERBS)], text)


JOBS: dict[str, Callable[[House, str], list[Suggestion]]] = {
    "job": _jobs,
    "tag": _tags,
    "project": _projects,
    "name": _names,
}
RUNS = {"commit": _of_runs("commit"), "environment": _of_runs("environment")}
ACTIVITY: dict[str, Callable[[House, str], list[Suggestion]]] = {"actor": _actors, "act": _acts}
FIELDS = {**JOBS, **RUNS, **ACTIVITY}
"""What can be asked for, in the groups that tokens may look at."""
