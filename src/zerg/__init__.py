"""What job files import: `from zerg.jobs import job_registry, JobConfig`, and what a job may return."""

from zerg.outcomes import Degraded, Done, Retry, Skip

__all__ = ["Degraded", "Done", "Retry", "Skip"]
