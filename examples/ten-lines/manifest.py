from zerg.jobs import JobConfig, job_registry

from jobs.disk_space import run as disk_space

job_registry.register(JobConfig(id="disk-space", cron="0 * * * *", func=disk_space))
