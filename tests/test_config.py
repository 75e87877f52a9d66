"""Settings: typed, overridable by the environment, with errors that name file, key, value and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from wsdash.config import load_settings, read_yaml, shipped
from wsdash.errors import InputError


def config(directory: Path, text: str) -> Path:
    (directory / "wsdash.yaml").write_text(text)
    return directory


def shipped_text() -> str:
    return shipped("config", "wsdash.yaml").read_text()


def test_the_shipped_settings_hold_the_guides_ports() -> None:
    settings = load_settings()
    assert set(settings.ports) == {5433, 6400, 9898, 5454, 7676, 3200}
    assert settings.target.port == 5433
    assert settings.api.old == "http://localhost:3201"
    assert settings.api.new == "http://localhost:3200"
    assert settings.api.dashboard == "http://localhost:3103/#/workspace"


def test_the_shipped_settings_hold_the_guides_thresholds() -> None:
    limits = load_settings().thresholds
    assert limits.get_seconds == 0.2
    assert limits.post_seconds == 0.1
    assert limits.alert_api_seconds == 0.5
    assert limits.alert_errors_per_minute == 5
    assert limits.alert_disk_percent == 80
    assert limits.stack_memory_bytes == 2 * 1024**3


def test_the_shipped_settings_hold_the_guides_names() -> None:
    settings = load_settings()
    assert settings.source.label == "data-timescale"
    assert settings.source.database == "APPS-WORKSPACE"
    assert settings.source.user == "timescale"
    assert settings.stack.apps.old_service == "apps-workspace"
    assert settings.stack.workspace.containers == (
        "workspace-db-pageserver",
        "workspace-db-safekeeper",
        "workspace-db-compute",
        "workspace-api",
    )


def test_the_environment_overrides_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSDASH__SOURCE__PORT", "6543")
    assert load_settings().source.port == 6543


def test_a_wrong_type_names_key_and_value(tmp_path: Path) -> None:
    text = shipped_text().replace("port: 5433", "port: five")
    with pytest.raises(InputError) as error:
        load_settings(config(tmp_path, text))
    assert "target.port" in str(error.value)
    assert "'five'" in str(error.value)
    assert str(tmp_path / "wsdash.yaml") in error.value.where
    assert error.value.remedy


def test_the_address_of_wsdashs_own_metrics_must_be_a_url(tmp_path: Path) -> None:
    text = shipped_text().replace("url: http://localhost:3280", "url: localhost:3280")
    with pytest.raises(InputError, match=r"metrics\.url has the value 'localhost:3280'"):
        load_settings(config(tmp_path, text))


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="colour"):
        load_settings(config(tmp_path, shipped_text() + "\ncolour: blue\n"))


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stack"):
        load_settings(config(tmp_path, "world: nowhere\n"))


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_settings(config(tmp_path, "world: a\nsource: [\n"))
    assert "line" in error.value.where


@pytest.mark.parametrize("name", ["wsdash.yaml", "plan.yaml"])
def test_the_shipped_files_are_there(name: str) -> None:
    assert shipped("config", name).is_file()


def test_settings_never_hold_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSDASH_SOURCE_PASSWORD", "hunter2-secret")
    assert "hunter2-secret" not in repr(load_settings())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("thresholds__get_seconds", ".nan"),
        ("thresholds__post_seconds", ".inf"),
        ("thresholds__alert_api_seconds", "-1"),
        ("thresholds__alert_disk_percent", "1000"),
        ("thresholds__stack_memory_bytes", "-5"),
        ("thresholds__alert_errors_per_minute", "1e999"),
        ("source__port", "99999"),
        ("source__port", "0"),
        ("source__host", '"a\\rb"'),
        ("source__host", '"a\\0b"'),
        ("source__host", '""'),
        ("source__host", "a b"),
        ("source__schema", '""'),
        ("target__database", '""'),
        ("target__user", '""'),
        ("target__schema", "x" * 64),
        ("source__label", '"\\e[31m"'),
        ("source__password_env", "$PGPASSWORD"),
        ("endpoints__pageserver_pg", "localhost"),
        ("endpoints__pageserver_pg", "localhost:99999"),
        ("endpoints__pageserver_http", "ftp://x"),
        ("api__new", "http://"),
        ("api__new", "http://x:99999"),
        ("copy__maintenance_work_mem", "lots"),
        ("copy__workers", "9" * 5000),
        ("paths__backups", '""'),
        ("ports", "[70000]"),
        ("load_test__warm_up_seconds", "-1"),
        ("stack__apps__old_service", '""'),
        ("source__host", "[" * 2000),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_with_its_key(
    key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WSDASH__{key.upper()}", value)
    with pytest.raises(InputError) as error:
        load_settings()
    assert key.split("__")[0] in (error.value.where + error.value.what).lower()
    assert error.value.remedy
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "host", ["db.example.org", "10.0.0.1", "::1", "fe80::1%eth0", "/var/run/postgresql", "a_b"]
)
def test_hosts_of_every_form_are_taken(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSDASH__SOURCE__HOST", f'"{host}"')
    assert load_settings().source.host == host


def test_a_relative_path_counts_from_the_configurations_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, shipped_text().replace('schema_file: ""', "schema_file: mine/target.sql"))
    monkeypatch.setenv("WSDASH__STACK__WORKSPACE__OVERRIDES", "[mine.yml, /etc/theirs.yml]")
    monkeypatch.setenv("WSDASH__SOURCE__PASSWORD_FILE", "secret")
    monkeypatch.setenv("WSDASH__ALERTS__WEBHOOK_FILE", "~/hook")
    settings = load_settings(tmp_path)
    assert settings.paths.backups == str(tmp_path / "backups")
    assert settings.paths.monitoring == ""
    assert settings.target.schema_file == str(tmp_path / "mine" / "target.sql")
    assert settings.source.password_file == str(tmp_path / "secret")
    assert settings.stack.apps.file == str(tmp_path / "tools/compose/docker-compose.apps.yml")
    assert settings.stack.workspace.overrides == (str(tmp_path / "mine.yml"), "/etc/theirs.yml")
    assert settings.alerts.webhook_file == str(Path.home() / "hook")


def test_without_a_configuration_of_ones_own_it_counts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().paths.backups == str(tmp_path / "backups")


def test_what_a_key_may_be_is_told_when_it_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSDASH__STACK__ENGINE", "podman")
    with pytest.raises(InputError, match=r"stack\.engine has the value 'podman'") as error:
        load_settings()
    assert error.value.remedy == "use docker, local or external"


@pytest.mark.parametrize(
    ("external", "named"),
    [
        ({}, r"describe workspace-relay there"),
        ({"workspace-relay": {"start": ["true"]}}, r"name a status command"),
    ],
)
def test_an_external_relay_is_known_by_its_status_command(
    tmp_path: Path, external: dict[str, object], named: str
) -> None:
    settings = read_yaml(shipped("config", "wsdash.yaml"))
    settings["stack"]["engine"] = "external"
    settings["stack"]["workspace"]["relay"] = "workspace-relay"
    settings["stack"]["external"] = {"apps-workspace": {"status": ["true"]}} | external
    with pytest.raises(InputError) as error:
        load_settings(config(tmp_path, yaml.safe_dump(settings)))
    assert re.search(named, error.value.remedy)
