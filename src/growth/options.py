"""The options that several commands of growth share, and what their values must look like."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from growth.analysis import encodable

Command = TypeVar("Command", bound=Callable[..., Any])


class Name(click.ParamType[str]):
    """A tenant or project as documents and paths can carry it."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text or not set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-"):
            self.fail(f"{text!r} is not made of lower-case letters, digits, _ and - ([a-z0-9_-]+).", param, ctx)
        return text


class Filled(click.ParamType[str]):
    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text:
            self.fail("must not be empty.", param, ctx)
        if encodable(text) != text:
            self.fail("is not UTF-8.", param, ctx)
        return text


class Place(Filled):
    """A path; unlike text it may hold bytes that are no UTF-8."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text or "\0" in text:
            self.fail("must name a file or folder.", param, ctx)
        return text


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


OWNER = _options(
    click.option("--tenant", type=Name(), required=True, envvar="GROWTH_TENANT_ID", help="Whose analysis this is."),
    click.option("--project", type=Name(), required=True, envvar="GROWTH_PROJECT_ID", help="Which project of theirs."),
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout; errors as JSON on stderr.")
STABLE = click.option("--stable-output", "stable", is_flag=True, help="Fixed ids and times: equal inputs, equal bytes.")
PROFILES = click.option(
    "--profiles",
    "profiles",
    type=Place(),
    envvar="GROWTH_PROFILES_DIR",
    help="Folder of profiles (default ./profiles).",
)
RESULT = _options(
    click.option("--trace", type=Filled(), help="Trace id of the request (default: a new one)."),
    click.option("--out", "out", type=Place(), help="Write the result to this file instead of stdout."),
    click.option("--request", "request", is_flag=True, help="Print the job request on stdout (result only to --out)."),
    STABLE,
    JSON,
)
