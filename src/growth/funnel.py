"""Funnel figures from events: who reached which step, where most are lost, how long a step takes."""

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from growth.events import Event
from growth.figures import rounded
from growth.moments import written
from growth.redaction import Redaction
from growth.run import Run
from jobforge.canonical import sha256_of

DEFAULT_NAME: Final = "main-funnel"


class _Visits:
    """The events that are steps, as parallel arrays: 16 bytes each, whatever the texts were."""

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = steps
        self.position = {name: index for index, name in reversed(list(enumerate(steps)))}  # the first of equal names
        self.users: dict[str | float, int] = {}
        self.moments = array("q")
        self.user = array("l")
        self.step = array("i")
        self.events = 0
        self.first = self.last = 0

    def take(self, events: Iterable[Event]) -> None:
        for user, name, moment in events:
            if self.events == 0:
                self.first = self.last = moment
            elif moment < self.first:
                self.first = moment
            elif moment > self.last:
                self.last = moment
            self.events += 1
            step = self.position.get(name)
            if step is not None:
                self.moments.append(moment)
                self.user.append(self.users.setdefault(user, len(self.users)))
                self.step.append(step)

    def in_time(self) -> Iterable[int]:
        """Places in order of time, file order where times are equal."""
        moments = self.moments
        if all(one <= next_one for one, next_one in pairwise(moments)):
            return range(len(moments))
        return sorted(range(len(moments)), key=moments.__getitem__)


def analyse(
    events: Iterable[Event],
    steps: Sequence[str],
    *,
    name: str,
    source_file: str,
    run: Run,
    redaction: Redaction,
    ordered: bool = False,
) -> dict[str, Any]:
    """Funnel metrics as the inputs file takes them. The id is derived from the figures: equal figures, equal id.

    By default a user counts for a step who did its event at any time; `ordered` asks for the steps one after the other.
    """
    visits = _Visits(steps)
    visits.take(events)
    reached, waits = _in_order(visits) if ordered else _at_any_time(visits)
    totals = [0] * len(steps)
    for step in visits.step:
        totals[step] += 1
    figures = [
        _step(index, step, reached, totals[visits.position[step]], waits[index]) for index, step in enumerate(steps)
    ]
    biggest = max(figures, key=lambda figure: float(figure["drop_off_rate"]))
    dropped = biggest["drop_off_rate"] > 0
    metrics: dict[str, Any] = {
        "tenant_id": run.tenant_id,
        "project_id": run.project_id,
        "funnel_name": name,
        "date_range": {"start": written(visits.first), "end": written(visits.last)},
        "total_entrances": reached[0],
        "total_conversions": reached[-1],
        "overall_conversion_rate": reached[-1] / reached[0] if reached[0] else 0,
        "steps": figures,
        **({"biggest_drop_off_step": biggest["step_name"]} if dropped else {}),
        "evidence": _evidence(visits, biggest if dropped else None),
    }
    metrics = redaction.value(metrics)
    derived_from = {**metrics, "ordered": ordered}
    return {
        **metrics,
        "id": f"funnel-{sha256_of(derived_from)[:32]}",
        "computed_at": run.now,
        "source_file": redaction.text(source_file),
    }


Waits = list[tuple[float, int]]  # per step: seconds until the next step reached, summed, and how many users


def _at_any_time(visits: _Visits) -> tuple[list[int], Waits]:
    """A user enters at step 0; reaching a higher step than any before ends the wait of the last one reached."""
    steps = visits.steps
    seen: list[set[int]] = [set() for _ in steps]
    sums, counts = [0.0] * len(steps), [0] * len(steps)
    at: dict[int, tuple[int, int]] = {}
    for place in visits.in_time():
        user, step, moment = visits.user[place], visits.step[place], visits.moments[place]
        seen[step].add(user)
        if user not in at:
            if step == 0:
                at[user] = (0, moment)
            continue
        last, since = at[user]
        if step > last:
            sums[last] += (moment - since) / 1000
            counts[last] += 1
            at[user] = (step, moment)
    first = [visits.position[step] for step in steps]
    return [len(seen[index]) for index in first], [(sums[index], counts[index]) for index in first]


def _in_order(visits: _Visits) -> tuple[list[int], Waits]:
    """A user is at the step up to which all steps were done one after the other."""
    steps = visits.steps
    wanted = [visits.position[step] for step in steps]
    reached = [0] * len(steps)
    sums, counts = [0.0] * len(steps), [0] * len(steps)
    at: dict[int, tuple[int, int]] = {}
    for place in visits.in_time():
        user, moment = visits.user[place], visits.moments[place]
        done, since = at.get(user, (0, moment))
        if done < len(steps) and visits.step[place] == wanted[done]:
            if done:
                sums[done - 1] += (moment - since) / 1000
                counts[done - 1] += 1
            reached[done] += 1
            at[user] = (done + 1, moment)
    return reached, list(zip(sums, counts, strict=True))


def _step(index: int, name: str, reached: list[int], total: int, wait: tuple[float, int]) -> dict[str, Any]:
    before = reached[index - 1] if index else 0
    lost = max(before - reached[index], 0) if index else 0
    figure: dict[str, Any] = {
        "step_name": name,
        "event_name": name,
        "unique_users": reached[index],
        "total_events": total,
        "drop_off_count": lost,
        "drop_off_rate": lost / before if before else 0,
    }
    return {**figure, "avg_time_to_next_seconds": wait[0] / wait[1]} if wait[1] else figure


def _evidence(visits: _Visits, biggest: dict[str, Any] | None) -> list[dict[str, Any]]:
    evidence: list[dict[str, Any]] = [
        {"type": "json_path", "path": "$.length", "description": "Events read", "value": visits.events},
        {
            "type": "json_path",
            "path": "$[*].timestamp",
            "description": "From the first to the last event",
            "value": f"{written(visits.first)} to {written(visits.last)}",
        },
    ]
    if biggest:
        evidence.append(
            {
                "type": "calculation",
                "path": "drop_off_rate",
                "description": f"Percent of users lost before {biggest['step_name']}",
                "value": rounded(biggest["drop_off_rate"] * 100),
            }
        )
    return evidence
