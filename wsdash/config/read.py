"""Reading the settings: wsdash.yaml, then the environment. Errors name file, key, value and remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from wsdash import outside
from wsdash.config.keys import check_keys
from wsdash.config.rules import Refuse, check_values, element_of, remedy_of, unwrapped, with_absolute_paths
from wsdash.config.settings import ApiSettings, Settings, StackSettings
from wsdash.errors import InputError

ENV_PREFIX = "WSDASH__"
SHOWN = 80
"""Characters of a refused value in a message."""


def shipped(*parts: str) -> Path:
    """A file or directory that travels with wsdash (config/..., compose/...), in wheel and checkout alike."""
    package = Path(__file__).resolve().parents[1]
    installed = package.joinpath("_shipped", *parts)
    return installed if installed.exists() else package.parent.joinpath(*parts)


def read_yaml(path: Path) -> Any:
    """Parse a YAML file. Raises InputError with file, line and remedy, for a duplicate key too."""
    try:
        return outside.read_yaml(outside.read_text_file(path))
    except FileNotFoundError as error:
        raise InputError(
            f"{path.name} does not exist",
            where=str(path),
            remedy="name the directory that holds wsdash.yaml and plan.yaml with --config DIR",
        ) from error
    except outside.DocumentError as error:
        line = f"{path}, line {error.line}" if error.line else str(path)
        raise InputError(f"{path.name}: {error}", where=line, remedy="correct the YAML") from error
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read: {error.strerror}",
            where=str(path),
            remedy="make it a readable file of UTF-8 text",
        ) from error


def load_settings(directory: Path | None = None) -> Settings:
    """Read DIR/wsdash.yaml (the shipped one when DIR is None) and apply WSDASH__ variables.

    Paths are made absolute. Raises InputError naming file, key, value and remedy.
    """
    base = directory or Path.cwd()  # the shipped directory is no place for anybody's files
    directory = directory or shipped("config")
    path = directory / "wsdash.yaml"
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(
            "wsdash.yaml is not a mapping", where=str(path), remedy="start from the shipped file"
        )
    _apply_environment(raw, dict(os.environ))
    raw["directory"] = str(directory)
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise _explain(error, raw, path) from error
    _check_values(settings, path)
    return with_absolute_paths(settings, base)


def secret_variables(settings: Settings) -> frozenset[str]:
    """The names of the environment variables that hold wsdash's own secrets."""
    named = [settings.source.password_env, settings.target.password_env, settings.api.token_env]
    named += [settings.notify.webhook_env, settings.alerts.webhook_env, *settings.alerts.apprise_env]
    named.append("PGPASSWORD")
    return frozenset(filter(None, named))


def _apply_environment(raw: dict[str, Any], environment: dict[str, str]) -> None:
    for name, text in environment.items():
        if not name.startswith(ENV_PREFIX):
            continue
        *sections, key = name[len(ENV_PREFIX) :].lower().split("__")
        node = raw
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise InputError(
                    f"{name} does not name a key",
                    where=f"environment variable {name}",
                    remedy="unset it, or use the form WSDASH__SECTION__KEY",
                )
        try:
            node[key] = outside.read_yaml(text)
        except outside.DocumentError as error:
            raise InputError(
                f"{name} is not a YAML value: {error}",
                where=f"environment variable {name}",
                remedy="correct it",
            ) from error


def _explain(error: msgspec.ValidationError, raw: dict[str, Any], path: Path) -> InputError:
    message, _, location = str(error).partition(" - at `$")
    key = location.rstrip("`").lstrip(".") or "(top level)"
    node: Any = raw
    kind: Any = Settings
    for part in key.replace("[", ".[").split("."):
        if isinstance(node, dict) and part in node:
            node, kind = node[part], _field_type(kind, part)
        elif part.startswith("[") and isinstance(node, list) and part[1:-1].isdigit():
            node, kind = node[int(part[1:-1])], element_of(kind)
        else:
            node, kind = None, Any
            break
    remedy = remedy_of(kind)
    if remedy and node is not None:
        return _refusal(path, key, node, remedy)
    value = "" if node is None or isinstance(node, dict | list) else f", value {_shown(node)}"
    return InputError(
        f"{message} (key {key}{value})",
        where=f"{path}, key {key}",
        remedy=f"correct {key} in {path.name}; the shipped wsdash.yaml shows every key",
    )


def _field_type(kind: Any, name: str) -> Any:
    plain, _ = unwrapped(kind)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return next((field.type for field in msgspec.structs.fields(plain) if field.name == name), Any)
    return Any


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "(too long)"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _refusal(path: Path, key: str, value: object, remedy: str) -> InputError:
    return InputError(f"{key} has the value {_shown(value)}", where=f"{path}, key {key}", remedy=remedy)


def _check_values(settings: Settings, path: Path) -> None:
    def refuse(key: str, value: object, remedy: str) -> None:
        raise _refusal(path, key, value, remedy)

    check_values(settings, refuse)
    _check_external(settings.stack, refuse)
    _check_api(settings.api, refuse)
    check_keys(settings.screen.keys, refuse)


def _check_external(stack: StackSettings, refuse: Refuse) -> None:
    named = {*stack.apps.containers, *stack.workspace.services, stack.apps.old_service}
    for name, service in stack.external.items():
        key = f"stack.external.{name}"
        if name not in named:
            refuse(key, name, f"use a name of stack.apps or stack.workspace: {', '.join(sorted(named))}")
        if service.health and not service.health.startswith(("http://", "https://", "tcp://")):
            refuse(f"{key}.health", service.health, "use http://, https:// or tcp://host:port")
    if stack.engine != "external":
        return
    relay = stack.workspace.relay
    for name in (stack.apps.old_service, *([relay] if relay else [])):
        if name not in stack.external:
            refuse("stack.external", sorted(stack.external), f"describe {name} there")
        elif relay and not stack.external[name].status:
            remedy = "name a status command: the relay and the old service answer at the same address"
            refuse(f"stack.external.{name}.status", [], remedy)


def _check_api(api: ApiSettings, refuse: Refuse) -> None:
    for name, value in api.headers.items():
        if name.lower() in ("authorization", "cookie", "proxy-authorization", "x-api-key"):
            refuse(f"api.headers.{name}", "(hidden)", "name the variable that holds a token in api.token_env")
        if not (name + value).isprintable():
            refuse(f"api.headers.{name}", value, "use printable text")
    if api.body and "{marker}" not in str(api.body):
        refuse("api.body", api.body, "put {marker} into a text field: wsdash finds its test items by it")
