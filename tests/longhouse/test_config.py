"""Settings: where they come from, which goes first, and how a wrong one is refused."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from longhouse import config
from longhouse.errors import CannotStart, UsageError


def loaded(data: Path, environ: dict[str, str] | None = None, **flags: object) -> config.Config:
    return config.load({"data_dir": data, **flags}, environ=environ or {})


def write(data: Path, text: str) -> None:
    (data / "config.toml").write_text(text)


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    environ = {"LONGHOUSE_JOBS_PORT": "1002", "LONGHOUSE_JOBS_SLOTS": "3"}
    write(tmp_path, 'port = 1003\nslots = 4\nhost = "::1"\n')

    settings = loaded(tmp_path, environ, port="1001")

    assert (settings.port, settings.slots, settings.host) == (1001, 3, "::1")
    assert settings.stop_grace_seconds == 2.0
    assert settings.sources["port"] == "--port"
    assert settings.sources["slots"] == "LONGHOUSE_JOBS_SLOTS"
    assert settings.sources["host"] == str(tmp_path / "config.toml")
    assert settings.sources["stop_grace_seconds"] == "default"


def test_the_defaults_are_safe(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    assert (settings.host, settings.port) == ("127.0.0.1", 4747)
    assert settings.slots >= 2
    assert not settings.allow_source_builds
    assert settings.allowed_hosts == settings.trusted_proxies == ()


def test_a_loaded_setting_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded(tmp_path).port = 1  # type: ignore[misc]


@pytest.mark.parametrize("key", ["job_queue_enabled", "scheduler", "prot", "JOB_QUEUE_ENABLED"])
def test_a_key_that_is_not_known_is_refused_by_name(tmp_path: Path, key: str) -> None:
    write(tmp_path, f"{key} = 0\n")
    with pytest.raises(CannotStart, match=key):
        loaded(tmp_path)


def test_a_misspelt_key_or_variable_is_told_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="LONGHOUSE_JOBS_PROT") as refused:
        loaded(tmp_path, {"LONGHOUSE_JOBS_PROT": "80"})
    assert "'port'" in refused.value.hint
    write(tmp_path, "slotz = 3\n")
    with pytest.raises(CannotStart, match="slotz") as refused_key:
        loaded(tmp_path)
    assert "'slots'" in refused_key.value.hint


BAD = [
    ("port", "70000"),
    ("port", "http"),
    ("port", "-1"),
    ("port", "٣"),
    ("slots", "0"),
    ("slots", "2.5"),
    ("host", "http://x/"),
    ("timezone", "Europe/Atlantis"),
    ("timezone", "../../etc/passwd"),
    ("trusted_proxies", "10.0.0.1/8"),
    ("stop_grace_seconds", "nan"),
    ("stop_grace_seconds", "-1"),
    ("allow_source_builds", "perhaps"),
    ("log_format", "xml"),
    ("allowed_hosts", "https://jobs.example"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_with_its_source(tmp_path: Path, name: str, value: str) -> None:
    variable = f"LONGHOUSE_JOBS_{name.upper()}"
    with pytest.raises(UsageError, match=f"{name} .{variable}"):
        loaded(tmp_path, {variable: value})
    write(tmp_path, f'{name} = "{value}"\n')
    with pytest.raises(CannotStart, match=f"{name} .*config.toml"):
        loaded(tmp_path)


@pytest.mark.parametrize("text", ["port = true", "slots = [1]", "host = 4", "allowed_hosts = 1", "index_url = {}"])
def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(CannotStart, match=text.split()[0]):
        loaded(tmp_path)


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2\n"])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(CannotStart, match="cannot be read"):
        loaded(tmp_path)


def test_variables_that_kubernetes_sets_for_a_service_are_told_apart(tmp_path: Path) -> None:
    links = {"LONGHOUSE_JOBS_SERVICE_HOST": "10.0.0.1", "LONGHOUSE_JOBS_PORT_80_TCP_ADDR": "10.0.0.1"}
    assert loaded(tmp_path, links).port == 4747
    with pytest.raises(UsageError) as refused:
        loaded(tmp_path, {"LONGHOUSE_JOBS_PORT": "tcp://10.0.0.1:80"})
    assert "enableServiceLinks" in refused.value.hint


def test_lists_come_as_toml_lists_or_as_words(tmp_path: Path) -> None:
    write(tmp_path, 'allowed_hosts = ["jobs.example", "Jobs.Local"]\n')
    settings = loaded(tmp_path, {"LONGHOUSE_JOBS_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert settings.allowed_hosts == ("jobs.example", "jobs.local")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_may_come_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "index"
    secret.write_text("https://joe:hunter2@packages.example/simple\n")

    settings = loaded(tmp_path, {"LONGHOUSE_JOBS_INDEX_URL_FILE": str(secret)})

    assert settings.index_url == "https://joe:hunter2@packages.example/simple"
    assert settings.sources["index_url"] == "LONGHOUSE_JOBS_INDEX_URL_FILE"
    assert settings.shown()["index_url"] == "https://••••@packages.example/simple"
    assert "hunter2" not in repr(settings) + repr(settings.shown())


def test_a_secret_that_is_refused_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        loaded(tmp_path, {"LONGHOUSE_JOBS_PROXY": "joe:hunter2@proxy"})
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


def test_a_secret_file_that_is_missing_or_given_twice_is_refused(tmp_path: Path) -> None:
    gone = {"LONGHOUSE_JOBS_PROXY_FILE": str(tmp_path / "gone")}
    with pytest.raises(UsageError, match="LONGHOUSE_JOBS_PROXY_FILE"):
        loaded(tmp_path, gone)
    with pytest.raises(UsageError, match="both"):
        loaded(tmp_path, gone | {"LONGHOUSE_JOBS_PROXY": "https://proxy.example"})


# --- the installer ---------------------------------------------------------------------------------------------------


def test_the_installer_gets_its_own_variables_and_pips_under_its_own_names(tmp_path: Path) -> None:
    environ = {
        "PIP_INDEX_URL": "https://a.example/simple",
        "PIP_FIND_LINKS": "/wheels /more",
        "UV_INDEX_WORK_PASSWORD": "p",
        "HTTPS_PROXY": "https://proxy.example",
        "SSL_CERT_FILE": "/ca.pem",
        "PIP_CERT": "/other.pem",
        "UV_CACHE_DIR": "/cache",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    assert loaded(tmp_path, environ).installer_environment == {
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INDEX_WORK_PASSWORD": "p",
        "HTTPS_PROXY": "https://proxy.example",
        "SSL_CERT_FILE": "/ca.pem",
    }


def test_our_settings_go_before_the_installers_variables(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    write(
        tmp_path,
        'index_url = "https://ours.example/simple"\nextra_index_urls = ["https://b.example"]\n'
        'find_links = ["wheels", "https://c.example/w"]\nproxy = "http://p.example:3128"\nca_file = "ca.pem"\n',
    )
    environ = {"UV_INDEX_URL": "https://theirs.example", "https_proxy": "http://q.example", "NO_PROXY": "localhost"}
    assert loaded(tmp_path, environ).installer_environment == {
        "UV_DEFAULT_INDEX": "https://ours.example/simple",
        "UV_INDEX": "https://b.example",
        "UV_FIND_LINKS": f"{tmp_path}/wheels,https://c.example/w",
        "HTTP_PROXY": "http://p.example:3128",
        "HTTPS_PROXY": "http://p.example:3128",
        "NO_PROXY": "localhost",
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
    }


def test_a_certificate_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="ca_file"):
        loaded(tmp_path, {"LONGHOUSE_JOBS_CA_FILE": "gone.pem"})


# --- the data directory ----------------------------------------------------------------------------------------------


def test_the_data_directory_is_the_instance_around_the_working_directory(tmp_path: Path) -> None:
    inside = tmp_path / "jobs" / "jobs"
    inside.mkdir(parents=True)
    default, how = config.find_data_dir(None, environ={}, cwd=inside)
    assert how == "default"
    assert default.name == "longhouse-jobs"

    (tmp_path / "longhouse.db").touch()

    assert config.find_data_dir(None, environ={}, cwd=inside) == (tmp_path, "working directory")
    other = {"LONGHOUSE_JOBS_DATA_DIR": str(tmp_path / "other")}
    assert config.find_data_dir(None, environ=other, cwd=inside)[0] == tmp_path / "other"
    assert config.find_data_dir(tmp_path / "flag", environ=other, cwd=inside) == (tmp_path / "flag", "--data-dir")


def test_the_data_directory_follows_the_platforms_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert config.find_data_dir(None, environ={})[0] == tmp_path / "longhouse-jobs"


def test_the_data_directory_cannot_be_set_in_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, 'data_dir = "/elsewhere"\n')
    with pytest.raises(CannotStart) as refused:
        loaded(tmp_path)
    assert "--data-dir" in refused.value.hint


# --- first boot ------------------------------------------------------------------------------------------------------


def test_the_zone_of_the_first_boot_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: "Europe/Berlin")
    first = loaded(tmp_path)
    assert (first.timezone, first.sources["timezone"]) == ("Europe/Berlin", "system")
    config.write_first(tmp_path / "config.toml", first.timezone)

    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: "America/New_York")

    assert loaded(tmp_path).timezone == "Europe/Berlin"


def test_noting_the_zone_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# mine\nport = 5000\n")
    config.write_first(path, "Europe/Berlin")
    assert tomllib.loads(path.read_text()) == {"timezone": "Europe/Berlin", "port": 5000}
    assert "# mine" in path.read_text()
    config.write_first(path, "UTC")
    assert "UTC" not in path.read_text()


def test_a_system_without_a_zone_that_we_know_is_asked_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: "Mars/Base")
    with pytest.raises(CannotStart) as refused:
        loaded(tmp_path)
    assert "LONGHOUSE_JOBS_TIMEZONE" in refused.value.hint


def test_no_setting_there_is_turns_anything_off() -> None:
    """The names are the whole surface: none of them is a switch for a part of the product."""
    switches = [
        name for name in config.NAMES if any(word in name for word in ("enable", "disable", "scheduler", "queue"))
    ]
    assert switches == []
