"""`serve`, `doctor`, `config show|set`, `completion`."""

from __future__ import annotations

import gc
import signal
from types import FrameType

import click
from click.shell_completion import get_completion_class

from longhouse.cli.call import Call, command, write
from longhouse.cli.terminal import line, plain
from longhouse.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@command()
@click.option("--host", metavar="ADDRESS", help="Listen here instead of 127.0.0.1; needs a password.")
@click.option("--port", metavar="PORT", help="Listen on this port instead of 4747; 0 for any free one.")
@click.option("--slots", metavar="N", help="How many runs may be alive at once; else the cores, at least 2.")
def serve(call: Call, host: str | None, port: str | None, slots: str | None) -> int:
    """Start the instance and stay: pages, API, scheduler and queue, until Ctrl-C or SIGTERM."""
    settings = call.settings(host=host, port=port, slots=slots)
    gc.disable()  # until everything is imported: nothing of that is garbage, and to look for some takes a tenth of it
    from longhouse import serving

    signal.signal(signal.SIGTERM, _stop)
    try:
        return serving.serve(settings)
    except (Stopped, KeyboardInterrupt):
        return 0


class Stopped(BaseException):
    """SIGTERM, so that everything that is open is closed on the way out; uvicorn raises it again when it is done."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


@command()
def doctor(call: Call) -> int:
    """Check the instance and say what to do about what is wrong. Exit code 1 if something is."""
    found = call.instance.get("/api/doctor")
    marks = {"ok": "ok      ", "warning": "warning ", "error": "error   "}
    lines = []
    for check in found["checks"]:
        lines.append(plain(f"{marks.get(check['status'], '        ')}{check['name']}: {check['message']}"))
        if check.get("hint") and check["status"] != "ok":
            lines.append(plain(f"        {check['hint']}"))
    call.show(found, *lines)
    return 1 if any(check["status"] == "error" for check in found["checks"]) else 0


@click.group("config")
def configuration() -> None:
    """The settings of the instance."""


@command(configuration)
def show(call: Call) -> None:
    """Print every setting with its source: flag, environment, config.toml or default. Secrets are masked."""
    settings = call.settings()
    values = settings.shown()
    document = {name: {"value": value, "source": settings.sources[name]} for name, value in values.items()}
    rows = [(name, _text(value), settings.sources[name]) for name, value in values.items()]
    call.table(document, ("SETTING", "VALUE", "SOURCE"), rows, empty="")


@command(configuration, "set")
@click.argument("name")
@click.argument("value", required=False)
@click.option("--default", is_flag=True, help="Forget what is stored: the default counts again.")
def set_value(call: Call, name: str, value: str | None, default: bool) -> None:
    """Change a setting of the running instance: slots, keep_… and github_…; it is stored in config.toml."""
    if (value is None) is not default:
        raise UsageError("give a value or --default", hint=f"For example: longhouse-jobs config set {name} 4")
    wanted = int(value) if value is not None and value.isascii() and value.isdigit() else value
    found = call.instance.patch("/api/settings", {name: wanted})
    now = next(each for each in found["items"] if each["name"] == name)
    call.show(found, f"{name} is {_text(now['value'])} ({line(now['source'])})")


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(line, value)) or "-"
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else str(value)


@command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(call: Call, shell: str) -> None:
    """Print a script that teaches the shell our commands; how to load it is its first line."""
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    write(f"# {HOW[shell]}")
    write(kind(root, {}, "longhouse-jobs", "_LONGHOUSE_JOBS_COMPLETE").source())


HOW = {
    "bash": 'Load it with: eval "$(longhouse-jobs completion bash)", for example in ~/.bashrc',
    "zsh": 'Load it with: eval "$(longhouse-jobs completion zsh)", for example in ~/.zshrc',
    "fish": "Load it with: longhouse-jobs completion fish | source, for example in ~/.config/fish/config.fish",
}
