"""`from zerg.jobs import job_registry, JobConfig`: what a manifest needs."""

from zerg.jobs.registry import JobConfig, JobConfigError, JobRegistry, job_registry

__all__ = ["JobConfig", "JobConfigError", "JobRegistry", "job_registry"]
