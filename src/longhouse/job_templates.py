"""Templates of jobs: files that run as they are, with what each asks for. A new one is a file in repo/templates/jobs
and an entry in TEMPLATES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from longhouse.errors import NotFound
from zerg._wire import Parameter


@dataclass(frozen=True)
class Asked:
    """A parameter of the template's function, and how people are asked for it."""

    parameter: Parameter
    label: str
    hint: str = ""
    example: str = ""


@dataclass(frozen=True)
class SecretWanted:
    key: str
    about: str
    required: bool = True


@dataclass(frozen=True)
class Template:
    name: str
    title: str
    about: str
    id: str
    """Of a job that nobody has named yet."""
    description: str
    """Of the job."""
    cron: str
    asked: tuple[Asked, ...] = ()
    secrets: tuple[SecretWanted, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """More of its JobConfig."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(each.parameter for each in self.asked)


@lru_cache(maxsize=16)
def code(name: str) -> str:
    """The file of a template."""
    return (files("longhouse.repo") / "templates" / "jobs" / f"{name.replace('-', '_')}.py").read_text("utf-8")


def find(name: str) -> Template:
    """Raises NotFound."""
    try:
        return TEMPLATES[name]
    except KeyError:
        known = ", ".join(TEMPLATES)
        raise NotFound(f"there is no template {name[:80]!r}", hint=f"There are: {known}.") from None


def _text(name: str, label: str, hint: str = "", example: str = "", default: str | None = None) -> Asked:
    parameter = Parameter(name=name, kind="str", required=default is None, default=default)
    return Asked(parameter, label, hint, example)


def _more(kind: str, name: str, default: Any, label: str, hint: str = "") -> Asked:
    return Asked(Parameter(name=name, kind=kind, required=False, default=default), label, hint)


TEMPLATES: dict[str, Template] = {
    each.name: each
    for each in (
        Template(
            name="http-check",
            title="HTTP check",
            about="Asks an address every few minutes, and fails when the answer is wrong or missing.",
            id="website-check",
            description="Is the website up, and how fast does it answer?",
            cron="*/5 * * * *",
            asked=(
                _text("url", "Address", "http or https", "https://example.org/health"),
                _more("int", "expect_status", 200, "Expected status"),
                _text("contains", "Text in the answer", "Empty: any answer will do", default=""),
                _more("float", "slow_after_seconds", 2.0, "Slow after", "Seconds; slower ends with a warning"),
            ),
            settings={"timeout_seconds": 60, "max_attempts": 2, "retry_delay_seconds": 5},
        ),
        Template(
            name="digest-email",
            title="Digest e-mail",
            about="Reads RSS and Atom feeds, and mails what is new since the last time.",
            id="news-digest",
            description="Mails what is new in my feeds.",
            cron="0 8 * * *",
            asked=(
                Asked(
                    Parameter(name="feeds", kind="list", required=True),
                    "Feeds",
                    "RSS or Atom, one address to a line",
                    "https://example.org/feed.xml",
                ),
                _text("recipient", "To", example="me@example.org"),
                _text("sender", "From", example="jobs@example.org"),
                _text("smtp_host", "Mail server", example="smtp.example.org"),
                _more("int", "smtp_port", 587, "Port", "587 goes with starttls, 465 with tls"),
                Asked(
                    Parameter(
                        name="security",
                        kind="choice",
                        required=False,
                        default="starttls",
                        choices=("starttls", "tls", "none"),
                    ),
                    "Encryption",
                ),
                _text("smtp_user", "User name", "Empty: without signing in", default=""),
                _more("int", "most_items", 50, "At most", "Items in one mail; the rest comes the next time"),
            ),
            secrets=(SecretWanted("SMTP_PASSWORD", "The password that goes with the user name", required=False),),
            settings={"timeout_seconds": 300, "max_attempts": 2, "retry_delay_seconds": 300},
        ),
        Template(
            name="s3-backup",
            title="Backup to S3",
            about="Packs a folder and sends it to a bucket of any S3-compatible storage; old archives go.",
            id="folder-backup",
            description="Packs a folder and sends it to the bucket.",
            cron="30 2 * * *",
            asked=(
                _text("folder", "Folder", "On the machine that runs Longhouse", "/srv/photos"),
                _text("endpoint", "Storage", "The address of the S3 service", "https://s3.eu-central-1.amazonaws.com"),
                _text("bucket", "Bucket", example="my-backups"),
                _text("region", "Region", default="us-east-1"),
                _text("prefix", "Names begin with", default="backup/"),
                _more("int", "keep", 14, "Archives to keep", "Older ones are removed from the bucket"),
                _more("bool", "verify", True, "Ask the storage whether it arrived whole"),
            ),
            secrets=(
                SecretWanted("S3_ACCESS_KEY_ID", "The id of an access key"),
                SecretWanted("S3_SECRET_ACCESS_KEY", "Its secret half"),
            ),
            settings={"timeout_seconds": 3600, "max_attempts": 3, "retry_delay_seconds": 60},
        ),
        Template(
            name="query-report",
            title="Database report",
            about="Asks SQLite or PostgreSQL a question, and keeps the answer as CSV and as a page.",
            id="weekly-report",
            description="Asks the database, and keeps the answer as CSV and as a page.",
            cron="0 7 * * 1",
            asked=(
                _text("query", "Query", "One SELECT", "select name, total from invoices where paid = 0"),
                _text("title", "Title", default="Report"),
                _more("int", "least_rows", 0, "At least", "Rows; fewer end with a warning"),
                _more("int", "most_rows", 100_000, "At most", "Rows in the report"),
            ),
            secrets=(
                SecretWanted("DATABASE_DSN", "sqlite:////path/to/file.db or postgresql://user:password@host/name"),
            ),
            settings={"timeout_seconds": 600},
        ),
        Template(
            name="clean-up",
            title="Clean-up",
            about="Removes files that nobody changed for some days. At first it only says which.",
            id="clean-up",
            description="Removes old files.",
            cron="15 4 * * 0",
            asked=(
                _text("folder", "Folder", "An absolute path", "/srv/exports"),
                _more("float", "older_than_days", 30.0, "Older than", "Days since the last change"),
                _text("pattern", "File names", "* stands for anything", default="*"),
                _more("bool", "dry_run", True, "Only say what would go", "Look at a run first, then set it to false"),
                _more("bool", "remove_empty_folders", False, "Remove folders that are left empty"),
            ),
            settings={"max_attempts": 1},
        ),
        Template(
            name="empty",
            title="Empty",
            about="One function that says hello, for whoever knows what to write.",
            id="my-job",
            description="",
            cron="0 9 * * *",
        ),
    )
}
