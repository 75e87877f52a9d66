"""The first minutes: nothing starts without a configuration, and `init` writes one that is read back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.servers import PASSWORD_ENV, Server
from tests.support.terminal import Terminal
from wsdash.cli import main
from wsdash.cli.looking.configure import database_of
from wsdash.config import load_settings, shipped
from wsdash.errors import InputError
from wsdash.outside import read_yaml
from wsdash.review.beginning import compose_files_below, kind_of, taken_ports, values_of, with_values
from wsdash.stack.compose import ComposeService

TEXT = shipped("config", "wsdash.yaml").read_text()


def service(name: str, image: str = "", *ports: int) -> ComposeService:
    return ComposeService(name, name, name, ("f",), image, False, (), tuple(("", port) for port in ports))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.startswith("WSDASH__")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("words", [[], ["run"]])
def test_without_a_configuration_nothing_starts_and_two_ways_are_named(
    words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "nothing was started" in told
    assert "`wsdash demo`" in told
    assert "`wsdash init`" in told
    assert not (home / "state").exists()


def test_a_configuration_of_this_user_is_found_by_every_command(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = home / "config" / "wsdash"
    directory.mkdir(parents=True)
    (directory / "wsdash.yaml").write_text("nonsense: [")
    assert main(["config", "check"]) == 2
    assert str(directory) in capsys.readouterr().err


def test_a_typo_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    for words, meant in (
        (["statsu"], "status"),
        (["status", "--jsno"], "--json"),
        (["test", "--group", "functionl"], "functional"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert f"did you mean {meant}?" in capsys.readouterr().err


def test_the_help_is_grouped_by_task_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    places = [told.index(heading) for heading in ("begin:", "look:", "migrate, and go back:", "examples:")]
    assert places == sorted(places)
    assert "engine " not in told.split("examples:")[0].split("read-only")[1].split("migrate,")[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands_and_their_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    told = capsys.readouterr().out
    assert "rehearse" in told
    assert "rounds" in told


def test_bash_takes_the_completion() -> None:
    done = subprocess.run(
        ["bash", "-c", f'eval "$({sys.executable} -m wsdash completion bash)" && complete -p wsdash'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "wsdash" in done.stdout) == (0, True), done.stderr


def test_config_check_tells_every_fault_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wsdash.yaml").write_text(TEXT.replace("port: 5432", "port: many"))
    (tmp_path / "plan.yaml").write_text("items: 7")
    assert main(["config", "check", "--config", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert "source.port" in told.err
    assert "plan.yaml" in told.err
    assert "✓ timeline.yaml (the shipped one)" in told.out


def test_values_take_the_place_of_the_shipped_ones_and_comments_stay() -> None:
    values: dict[str, Any] = {
        "source.host": "db.example",
        "source.port": 6000,
        "target.host": "127.0.0.1",
        "stack.apps.containers": ["one", "two"],
        "api.dashboard": "http://h/#/x",
        "ports": [1, 2],
    }
    text = with_values(TEXT, values)
    content = read_yaml(text)
    assert content["source"]["host"] == "db.example"
    assert content["source"]["port"] == 6000
    assert content["target"]["port"] == 5433
    assert content["api"]["dashboard"] == "http://h/#/x"
    assert content["ports"] == [1, 2]
    assert text.count("#") >= TEXT.count("#")
    assert "# must be free before the stack starts" in text


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Cn", "Co")), max_size=40))
def test_any_text_is_read_back_as_it_was(value: str) -> None:
    assert read_yaml(with_values(TEXT, {"source.database": value}))["source"]["database"] == value


@pytest.mark.parametrize(
    "value", ["yes", "no", "null", "1", "1e3", "12:30", "~", "a: b", "a #b", "", "-", "{x}"]
)
def test_words_that_yaml_reads_otherwise_are_quoted(value: str) -> None:
    assert read_yaml(with_values(TEXT, {"source.user": value}))["source"]["user"] == value


def test_a_key_that_the_file_lacks_is_refused() -> None:
    with pytest.raises(InputError, match=r"source\.nonsense"):
        with_values(TEXT, {"source.nonsense": 1})


def test_compose_files_are_found_by_name_and_told_apart_by_what_they_describe(tmp_path: Path) -> None:
    for name in (
        "tools/compose/docker-compose.apps.yml",
        "node_modules/docker-compose.yml",
        "a/b/c/d/e/compose.yml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("services: {}")
    assert [file.name for file in compose_files_below(tmp_path)] == ["docker-compose.apps.yml"]
    old = {
        "data-timescale": service("data-timescale", "timescale/timescaledb", 5432),
        "ws": service("ws", "x", 3201),
    }
    new = {
        "n-pageserver": service("n-pageserver", "neon", 6400, 9898),
        "n-compute": service("n-compute", "neon", 5433),
    }
    assert kind_of(Path("x.yml"), old) == "apps"
    assert kind_of(Path("x.yml"), new) == "workspace"
    assert kind_of(Path("x.yml"), {"web": service("web", "nginx")}) == ""
    assert kind_of(Path("docker-compose.workspace-stack.yml"), {}) == "workspace"
    values = values_of("apps", Path("x.yml"), old)
    assert (values["source.label"], values["source.port"]) == ("data-timescale", 5432)
    assert (values["stack.apps.old_service"], values["api.old"]) == ("ws", "http://localhost:3201")
    assert values_of("workspace", Path("x.yml"), new)["ports"] == [5433, 6400, 9898]


def test_a_taken_port_is_told_with_its_holder_and_a_free_one() -> None:
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(1)
        port = held.getsockname()[1]
        (told,) = taken_ports([port])
    assert f"port {port} is held by" in told
    assert "is free" in told


def test_an_address_of_a_database_is_taken_apart() -> None:
    found = database_of("postgresql://m%40x@db:6000/APPS-WORKSPACE", "--source")
    assert found == {"host": "db", "port": 6000, "database": "APPS-WORKSPACE", "user": "m@x"}


@pytest.mark.parametrize(
    "url", ["db:5432", "postgresql://h/d", "postgresql://u:pw@h/d", "postgresql://u@h:x/d"]
)
def test_no_address_and_no_password_is_taken(url: str) -> None:
    with pytest.raises(InputError) as refused:
        database_of(url, "--source")
    assert "pw" not in str(refused.value)


def answers(pg16: Server, database: str) -> list[str]:
    url = f"postgresql://{pg16.user}@127.0.0.1:{pg16.port}/{database}"
    return ["--source", url, "--source-password-env", PASSWORD_ENV, "--source-schema", "public"]


def test_init_writes_what_doctor_reads(
    pg16: Server, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    assert main(["init", "--yes", *answers(pg16, "postgres")]) == 0
    told = capsys.readouterr().out
    assert "✓ source" in told
    settings = load_settings(home / "config" / "wsdash")
    assert (settings.source.port, settings.source.schema) == (pg16.port, "public")
    assert main(["config", "check"]) == 0
    main(["doctor"])
    assert f"127.0.0.1:{pg16.port}" in capsys.readouterr().out
    assert main(["init", "--yes", *answers(pg16, "postgres")]) == 2  # never over one that is there
    assert (
        main(["init", "--yes", "--replace", "--new-api", "http://localhost:9", *answers(pg16, "postgres")])
        == 0
    )
    assert load_settings(home / "config" / "wsdash").api.new == "http://localhost:9"
    assert (home / "config" / "wsdash" / "wsdash.yaml.old").exists()


def test_init_writes_nothing_for_a_source_that_does_not_answer_unless_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    words = ["init", "--yes", "--source", "postgresql://nobody@127.0.0.1:1/x"]
    assert main(words) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not (home / "config").exists()
    assert main([*words, "--unchecked"]) == 0
    assert load_settings(home / "config" / "wsdash").source.port == 1


def test_init_asks_on_a_terminal_and_tests_what_is_answered(pg16: Server, home: Path) -> None:
    words = [sys.executable, "-m", "wsdash", "init", "--root", str(home), *answers(pg16, "postgres")]
    terminal = Terminal(words, dict(os.environ), 150, 50)
    try:
        for question in (
            "Compose file of the old world",
            "Container of the old service",
            "Compose file of the new",
        ):
            terminal.wait_for(question)
            terminal.press("\r")
        terminal.wait_for("✓ source")
        for part in ("host", "port", "database", "user", "schema"):
            terminal.wait_for(f"(the target): {part}")
            terminal.press("\r")
        terminal.wait_for("Password, for this test only")
        terminal.press("\r")
        terminal.wait_for("Address of the old API")
        terminal.press("http://localhost:1\r")
        terminal.wait_for("Address of the new API")
        terminal.press("\r")
        terminal.wait_for("is written")
        assert terminal.wait() == 0
    finally:
        terminal.end()
    assert load_settings(home / "config" / "wsdash").api.old == "http://localhost:1"
