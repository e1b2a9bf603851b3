"""Jobs due in the same second, on a real server: when each was decided, and whether the instance answers meanwhile."""

import statistics
from collections.abc import Iterator

from tests.reliability.burst import Burst, burst

from bench.instance import Figure, instance, percentile

JOBS = 1000
TIMES = 3
LEAD_SECONDS = 12.0


def main() -> None:
    bursts = [measured(JOBS) for _ in range(TIMES)]
    for figure in figures(bursts):
        print(figure.line(), flush=True)


def figures(bursts: list[Burst]) -> Iterator[Figure]:
    jobs = f"{JOBS:,} jobs in the same second"

    def middle(share: float, of: str) -> float:
        return statistics.median(percentile(getattr(burst, of), share) for burst in bursts)

    yield Figure(f"due time to the decision, {jobs}, p99", middle(0.99, "lags"), "s", 1)
    yield Figure("due time to the first claim meanwhile", statistics.median(b.started for b in bursts), "s", 1)
    yield Figure("longest wait for the event loop meanwhile", middle(1, "loop") * 1000, "ms", 50)
    yield Figure("page of jobs over the API meanwhile, p99", middle(0.99, "api") * 1000, "ms", 250)
    yield Figure("jobs without exactly one run", max(burst.missing for burst in bursts), "", 0)


def measured(jobs: int) -> Burst:
    with instance() as one:
        one.start()
        return burst(one, jobs, lead=LEAD_SECONDS)
