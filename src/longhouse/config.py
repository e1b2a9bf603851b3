"""The settings of an instance, read once: flag, then environment, then `<data>/config.toml`, then default.

The only module that reads the environment. A value that makes no sense is refused with its source and name. No setting
turns a feature off.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from longhouse import installer, kinds
from longhouse.errors import CannotStart, Conflict, Invalid, LonghouseError, UsageError
from longhouse.outward import GITHUB
from longhouse.vault import Secret

PREFIX = "LONGHOUSE_JOBS_"
DEFAULT_PORT = 4747


@dataclass(frozen=True)
class Config:
    data_dir: Path
    host: str
    port: int
    """0: any free one."""
    slots: int
    """How many runs may be alive at once."""
    timezone: str
    """The zone of jobs that name none."""
    allowed_hosts: tuple[str, ...]
    """Names under which browsers reach the instance, besides localhost and the address it listens on."""
    trusted_proxies: tuple[str, ...]
    """Networks whose X-Forwarded-For is believed."""
    stop_grace_seconds: float
    """Time between TERM and KILL, for a cancelled run and for all runs when the server stops."""
    keep_days: int
    keep_runs_least: int
    keep_runs_most: int
    """History: see runs.keep."""
    process_limit: int
    """How many processes and threads one run may have at once; over that it is ended (a fork bomb)."""
    index_url: str | None = field(repr=False)
    extra_index_urls: tuple[str, ...] = field(repr=False)
    find_links: tuple[str, ...]
    proxy: str | None = field(repr=False)
    ca_file: Path | None
    allow_source_builds: bool
    """Job environments may build packages from source: foreign code runs while they are installed."""
    log_format: Literal["text", "json"]
    github_url: str
    github_api_url: str
    """Empty: the one that belongs to `github_url`."""
    github_client_id: str
    github_app_slug: str
    github_client_secret: Secret | None
    """Who we are at GitHub; only the sign-in that comes back to the instance's own address needs the secret."""
    installer_environment: dict[str, str] = field(repr=False)
    """Environment variables for the installer (uv) and for nobody else: they may hold credentials."""
    sources: dict[str, str]
    """Where each value came from, as `config show` says it."""

    def shown(self) -> dict[str, Any]:
        """Every setting as it may be printed: passwords in addresses are dots."""
        values = {"data_dir": str(self.data_dir)} | {setting.name: getattr(self, setting.name) for setting in SETTINGS}
        return {name: _printable(value) for name, value in values.items()}

    def fixed(self, name: str) -> bool:
        """A flag or a variable says it, which goes before config.toml."""
        return self.sources[name].startswith(("--", PREFIX))


@dataclass(frozen=True)
class Setting:
    name: str
    """The key in config.toml; in capitals and after LONGHOUSE_JOBS_, the environment variable."""
    parse: Callable[[Any], Any]
    """From a TOML value or a text; raises ValueError with what was expected."""
    default: Callable[[], tuple[Any, str]]
    """The value and the source to name for it."""
    secret: bool = False
    """Also read from the file that `…_FILE` names."""


def load(flags: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Config:
    """The settings for this process. Raises UsageError (flag, environment) and CannotStart (config.toml).

    `flags` that are None were not given. `cwd` is where the search for a data directory starts; None: no search.
    """
    environ = os.environ if environ is None else environ
    data_dir, origin = find_data_dir(flags.get("data_dir"), environ=environ, cwd=cwd)
    _refuse_unknown_variables(environ)
    path = data_dir / "config.toml"
    stored = _read(path)
    values: dict[str, Any] = {}
    sources = {"data_dir": origin}
    for setting in SETTINGS:
        values[setting.name], sources[setting.name] = _value(setting, flags, environ, stored, path)
    values["find_links"] = tuple(_located(link, data_dir) for link in values["find_links"])
    if values["ca_file"] is not None:
        values["ca_file"] = data_dir / Path(values["ca_file"]).expanduser()
        if not values["ca_file"].is_file():
            raise CannotStart(f"ca_file ({sources['ca_file']}): there is no file {values['ca_file']}")
    return Config(
        data_dir=data_dir, installer_environment=installer.environment(values, environ), sources=sources, **values
    )


def find_data_dir(
    flag: str | os.PathLike[str] | None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> tuple[Path, str]:
    """The data directory and how it was found: flag, environment, an instance around `cwd`, default."""
    environ = os.environ if environ is None else environ
    if flag:
        return Path(flag).expanduser().absolute(), "--data-dir"
    if given := environ.get(PREFIX + "DATA_DIR"):
        return Path(given).expanduser().absolute(), PREFIX + "DATA_DIR"
    for folder in (cwd, *cwd.parents) if cwd else ():
        if (folder / "longhouse.db").is_file() and (folder / "jobs").is_dir():
            return folder, "working directory"
    from platformdirs import user_data_path

    return user_data_path("longhouse-jobs", appauthor=False), "default"


def write_first(path: Path, timezone: str) -> None:
    """At first boot: note the zone in config.toml, so that it stays when the machine's changes. Keeps what is there."""
    text = path.read_text(encoding="utf-8") if path.exists() else FIRST
    if "timezone" in tomllib.loads(text):
        return
    part = path.with_name(".config.toml.new")
    part.write_text(f'timezone = "{timezone}"\n{text}', encoding="utf-8")
    part.chmod(0o600)
    part.replace(path)


def changed(settings: Config, wanted: Mapping[str, Any]) -> Config:
    """As it would be with these in config.toml; None: the default. Raises Invalid, naming each that makes no sense."""
    by_name, path = {setting.name: setting for setting in SETTINGS}, settings.data_dir / "config.toml"
    values, sources, problems = {}, dict(settings.sources), []
    for name, value in wanted.items():
        try:
            found = by_name[name].default() if value is None else (by_name[name].parse(value), str(path))
            values[name], sources[name] = found
        except ValueError as error:
            problems.append({"pointer": f"/{name}", "message": f"{name} is {error}"})
    if problems:
        raise Invalid("; ".join(problem["message"] for problem in problems), errors=problems)
    return replace(settings, sources=sources, **values)


def store(path: Path, wanted: Mapping[str, Any]) -> None:
    """Into config.toml, beside what a person wrote there; None: out of it. Raises Conflict."""
    import tomlkit
    from tomlkit.exceptions import ParseError

    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else FIRST)
    except (OSError, UnicodeDecodeError, ParseError) as error:
        raise Conflict(f"config.toml cannot be read: {error}", hint="Mend the file first.") from error
    for name, value in wanted.items():
        if value is None:
            document.pop(name, None)
        else:
            document[name] = value
    part = path.with_name(".config.toml.new")
    part.write_text(tomlkit.dumps(document), encoding="utf-8")
    part.chmod(0o600)
    part.replace(path)


FIRST = """\
# Settings of this Longhouse instance; `longhouse-jobs config show` prints all of them with their sources.
# A command line flag or an environment variable (LONGHOUSE_JOBS_PORT for `port`) goes before this file.
# The time zone above is that of jobs that name none.
"""


def wants_no_color() -> bool:
    """https://no-color.org"""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


# --- one value -------------------------------------------------------------------------------------------------------


def _value(
    setting: Setting, flags: Mapping[str, Any], environ: Mapping[str, str], stored: dict[str, Any], path: Path
) -> tuple[Any, str]:
    name, variable = setting.name, PREFIX + setting.name.upper()
    if flags.get(name) is not None:
        return _parsed(setting, flags[name], "--" + name.replace("_", "-"), UsageError)
    if setting.secret and (file := environ.get(variable + "_FILE")):
        if environ.get(variable):
            raise UsageError(f"{variable} and {variable}_FILE are both set", hint="Unset one of them.")
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{variable}_FILE: {file} cannot be read: {error}") from error
        return _parsed(setting, text, variable + "_FILE", UsageError)
    if text := environ.get(variable, ""):
        return _parsed(setting, text, variable, UsageError)
    if name in stored:
        return _parsed(setting, stored[name], str(path), CannotStart)
    return setting.default()


def _parsed(setting: Setting, value: Any, source: str, refusal: type[LonghouseError]) -> tuple[Any, str]:
    try:
        return setting.parse(value), source
    except ValueError as error:
        shown = "the value" if setting.secret else repr(value)
        hint = f"Correct {setting.name} in {source}." if refusal is CannotStart else f"Correct or unset {source}."
        if isinstance(value, str) and re.match(r"(tcp|udp)://", value):
            hint = "Kubernetes sets this for a Service of that name; set `enableServiceLinks: false` in the pod."
        raise refusal(f"{setting.name} ({source}): {shown} is not {error}", hint=hint) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CannotStart(f"{path} cannot be read: {error}", hint="Correct the file, or move it away.") from error
    for key in stored:
        if key not in NAMES:
            raise CannotStart(f"{path}: there is no setting {key!r}", hint=_hint(key))
    return stored


SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_.*")
"""What Kubernetes puts into every pod beside a Service called longhouse-jobs."""


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {name.upper() for name in (*NAMES, "data_dir")}
    known |= {f"{setting.name.upper()}_FILE" for setting in SETTINGS if setting.secret}
    for variable in environ:
        rest = variable.removeprefix(PREFIX)
        if rest != variable and rest not in known and not SERVICE_LINK.fullmatch(rest):
            raise UsageError(f"there is no setting {variable}", hint=_hint(rest.lower()))


def _hint(key: str) -> str:
    near = difflib.get_close_matches(key, NAMES, n=1)
    if key == "data_dir":
        return f"The data directory holds this file; name it with --data-dir or {PREFIX}DATA_DIR."
    return f"Did you mean {near[0]!r}?" if near else f"The settings are: {', '.join(NAMES)}."


# --- defaults ----------------------------------------------------------------------------------------------------


def _fixed(value: Any) -> Callable[[], tuple[Any, str]]:
    return lambda: (value, "default")


def _cores() -> tuple[int, str]:
    return max(2, len(os.sched_getaffinity(0))), "default (cores, at least 2)"


def _processes() -> tuple[int, str]:
    """Numeric libraries start a thread for each core in each process."""
    return max(1024, 64 * len(os.sched_getaffinity(0))), "default (64 for each core, at least 1024)"


def _system_zone() -> tuple[str, str]:
    from tzlocal import get_localzone_name

    try:
        return kinds.zone(get_localzone_name()), "system"
    except (ValueError, OSError, KeyError) as error:
        raise CannotStart(
            f"the system's time zone cannot be told: {error}",
            hint='Name it: LONGHOUSE_JOBS_TIMEZONE=Europe/Berlin, or timezone = "Europe/Berlin" in config.toml.',
        ) from error


def _by_terminal() -> tuple[str, str]:
    return ("text" if sys.stderr.isatty() else "json"), "default (text on a terminal)"


SETTINGS = (
    Setting("host", kinds.host_name, _fixed("127.0.0.1")),
    Setting("port", kinds.whole(0, 65535), _fixed(DEFAULT_PORT)),
    Setting("slots", kinds.whole(1, 256), _cores),
    Setting("timezone", kinds.zone, _system_zone),
    Setting("allowed_hosts", kinds.list_of(kinds.host_name), _fixed(())),
    Setting("trusted_proxies", kinds.list_of(kinds.network), _fixed(())),
    Setting("stop_grace_seconds", kinds.seconds, _fixed(2.0)),
    Setting("keep_days", kinds.whole(1, 36_500), _fixed(90)),
    Setting("keep_runs_least", kinds.whole(1, 1_000_000), _fixed(50)),
    Setting("keep_runs_most", kinds.whole(1, 10_000_000), _fixed(1000)),
    Setting("process_limit", kinds.whole(16, 1_000_000), _processes),
    Setting("index_url", kinds.url, _fixed(None), secret=True),
    Setting("extra_index_urls", kinds.list_of(kinds.url), _fixed(()), secret=True),
    Setting("find_links", kinds.list_of(kinds.word), _fixed(())),
    Setting("proxy", kinds.url, _fixed(None), secret=True),
    Setting("ca_file", kinds.path, _fixed(None)),
    Setting("allow_source_builds", kinds.boolean, _fixed(False)),
    Setting("log_format", kinds.log_format, _by_terminal),
    Setting("github_url", kinds.server, _fixed(GITHUB)),
    Setting("github_api_url", kinds.server, _fixed("")),
    Setting("github_client_id", kinds.identifier, _fixed("")),
    Setting("github_app_slug", kinds.identifier, _fixed("")),
    Setting("github_client_secret", kinds.secret, _fixed(None), secret=True),
)
NAMES = tuple(setting.name for setting in SETTINGS)


# --- what a value becomes ---------------------------------------------------------------------------------------------


def _located(link: str, data_dir: Path) -> str:
    """A find-links entry: an address as it is, a folder as an absolute path."""
    return link if "://" in link else str(data_dir / Path(link).expanduser())


def _printable(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_printable(item) for item in value]
    if isinstance(value, Path | Secret):
        return str(value)
    return re.sub(r"(?<=://)[^/@]*@", "••••@", value) if isinstance(value, str) else value
