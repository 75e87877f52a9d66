"""Typed settings: config/wsdash.yaml, then the environment. Errors name file, key, value and remedy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from wsdash import outside
from wsdash.config_ranges import check_ranges
from wsdash.errors import InputError

ENV_PREFIX = "WSDASH__"


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class AppsSettings(_Section, frozen=True):
    """The old world's compose file and containers. overrides: compose files laid over it, in this order."""

    file: str
    old_service: str
    containers: tuple[str, ...]
    overrides: tuple[str, ...] = ()


class WorkspaceSettings(_Section, frozen=True):
    """The new stack's compose file and its four containers. overrides: compose files laid over it, in this
    order. build_command: argv of the operator's own way to make missing images; empty: they are pulled.
    build_environment: names of variables that it gets beside those that every program needs.
    after_schema: containers whose health needs the tables, so that only init-neon waits for it; empty: the
    one whose name contains "api".
    """

    file: str
    containers: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    build_command: tuple[str, ...] = ()
    build_environment: tuple[str, ...] = ()
    after_schema: tuple[str, ...] = ()


class ExternalService(_Section, frozen=True):
    """A service outside Docker (docs/external.md). start, stop, status: argv; an empty one is a person's.

    status exits 0 while it runs and 3 when it is stopped. health: http(s)://... or tcp://host:port. ports:
    those it holds while it runs. seconds: how long it may take to start, or to stop. environment: names of
    variables that the commands get beside those that every program needs.
    """

    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    health: str = ""
    ports: tuple[int, ...] = ()
    seconds: float = 60.0
    environment: tuple[str, ...] = ()


class StackSettings(_Section, frozen=True):
    """Which engine runs the containers, and which containers there are. external: by name, where the engine
    is external."""

    engine: str
    apps: AppsSettings
    workspace: WorkspaceSettings
    supervisor: str = ""
    external: dict[str, ExternalService] = {}


class DatabaseSettings(_Section, frozen=True):
    """One side's database; the password is named, never held.

    pause_jobs (of the source): whether TimescaleDB's background jobs are paused from the backup to the end of
    the comparison, and then put back; ask: as a person says before the first item that reads the source.
    """

    label: str
    host: str
    port: int
    database: str
    user: str
    schema: str
    password_env: str = ""
    password_file: str = ""
    sslmode: str = "prefer"
    schema_file: str = ""
    mapping: str = ""
    pause_jobs: bool | Literal["ask"] = "ask"


class ApiSettings(_Section, frozen=True):
    """Base URLs of the old and the new API, the dashboard's page, and the API's shape (docs/api.md).

    path, health_path, categories_path: of the list of items, the health page, the categories; an empty one
    is not asked. table: of the items. headers: sent with every request; token_env: name of the variable that
    holds a bearer token. body, update: what is sent to make and to change a test item, {marker} and
    {category} replaced. compare: fields that are read back; empty: those that the API stores. statuses: what
    an item is moved through. max_requests_per_minute: 0: as the API's own RateLimit headers say.
    """

    old: str
    new: str
    dashboard: str = ""
    path: str = "/api/items"
    health_path: str = "/health"
    categories_path: str = "/api/categories"
    table: str = "workspace_items"
    headers: dict[str, str] = {}
    token_env: str = ""
    body: dict[str, Any] = {}
    update: dict[str, Any] = {}
    update_method: str = "PUT"
    compare: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("new", "review", "in-progress", "completed", "rejected")
    max_requests_per_minute: int = 0


class EndpointSettings(_Section, frozen=True):
    """The storage nodes: PostgreSQL ports as host:port, HTTP as URLs. Empty ones are not asked."""

    pageserver_pg: str = ""
    pageserver_http: str = ""
    safekeeper_pg: str = ""
    safekeeper_http: str = ""
    compute_http: str = ""


class MetricsSettings(_Section, frozen=True):
    """wsdash's own metrics. url: where Prometheus reaches what `wsdash watch --metrics-port` serves, without
    the /metrics at its end."""

    url: str = "http://localhost:3280"


class Thresholds(_Section, frozen=True):
    """The guide's numbers: seconds, per minute, per cent, bytes."""

    get_seconds: float = 0.2
    post_seconds: float = 0.1
    alert_api_seconds: float = 0.5
    alert_errors_per_minute: float = 5
    alert_disk_percent: float = 80
    stack_memory_bytes: int = 2 * 1024**3


class PathSettings(_Section, frozen=True):
    """Directories and files; relative ones are taken from the working directory."""

    backups: str = "backups"
    adr: str = ""
    monitoring: str = ""


class NotifySettings(_Section, frozen=True):
    """How the team is notified, beside a person's tick. environment: names of variables that the command gets
    beside PATH, HOME and the like."""

    webhook_env: str = ""
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


class AlertSettings(_Section, frozen=True):
    """Who is notified of alerts beside the screen. The webhook's URL is named, never held. bell, desktop:
    what the operator's own terminal does. environment: as for notify. apprise_env: names of variables that
    hold apprise's URLs, each a channel of its own (needs wsdash[channels]).
    """

    webhook_env: str = ""
    webhook_file: str = ""
    apprise_env: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    bell: bool = True
    desktop: bool = True


class CopySettings(_Section, frozen=True):
    """How hard the copy works."""

    workers: int = 4
    maintenance_work_mem: str = "256MB"


class BranchingSettings(_Section, frozen=True):
    """How a branch is opened. open: compute (a second compute in the compute's container) or database (the
    stand-in's: a database of the same server). database: its name; {timeline} is replaced by the branch's id.
    tenant, timeline: which of the pageserver's are the workspace's; empty: what the compute says.
    """

    open: str = "compute"
    database: str = "workspace"
    tenant: str = ""
    timeline: str = ""


class LoadTestSettings(_Section, frozen=True):
    """How item benchmarks loads the API. confirmed: host:port of APIs that may be loaded unasked."""

    confirmed: tuple[str, ...] = ()
    ladder: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    rung_seconds: float = 3.0
    warm_up_seconds: float = 1.0


class Settings(_Section, frozen=True):
    """Everything wsdash knows about where things are. directory is where the files were read from."""

    stack: StackSettings
    source: DatabaseSettings
    target: DatabaseSettings
    api: ApiSettings
    endpoints: EndpointSettings = EndpointSettings()
    ports: tuple[int, ...] = ()
    world: str = "production"
    thresholds: Thresholds = Thresholds()
    paths: PathSettings = PathSettings()
    notify: NotifySettings = NotifySettings()
    copy: CopySettings = CopySettings()
    alerts: AlertSettings = AlertSettings()
    branching: BranchingSettings = BranchingSettings()
    load_test: LoadTestSettings = LoadTestSettings()
    metrics: MetricsSettings = MetricsSettings()
    directory: str = ""


def shipped(*parts: str) -> Path:
    """A file or directory that travels with wsdash (config/..., compose/...), in wheel and checkout alike."""
    package = Path(__file__).resolve().parent
    installed = package.joinpath("_shipped", *parts)
    return installed if installed.exists() else package.parent.joinpath(*parts)


def read_yaml(path: Path) -> Any:
    """Parse a YAML file. Raises InputError with file, line and remedy, for a duplicate key too."""
    try:
        return outside.read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path.name} does not exist",
            where=str(path),
            remedy="name the directory that holds wsdash.yaml and plan.yaml with --config DIR",
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8", where=str(path), remedy="save it as UTF-8 text"
        ) from error
    except outside.DocumentError as error:
        line = f"{path}, line {error.line}" if error.line else str(path)
        raise InputError(f"{path.name}: {error}", where=line, remedy="correct the YAML") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read: {error}", where=str(path), remedy="make it a readable UTF-8 file"
        ) from error


def load_settings(directory: Path | None = None) -> Settings:
    """Read DIR/wsdash.yaml (the shipped one when DIR is None) and apply WSDASH__ variables.

    Raises InputError naming file, key, value and remedy.
    """
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
    return settings


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
    for part in key.replace("[", ".[").split("."):
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif part.startswith("[") and isinstance(node, list) and part[1:-1].isdigit():
            node = node[int(part[1:-1])]
        else:
            node = None
            break
    value = "" if node is None or isinstance(node, dict | list) else f", value {node!r}"
    return InputError(
        f"{message} (key {key}{value})",
        where=f"{path}, key {key}",
        remedy=f"correct {key} in {path.name}; the shipped wsdash.yaml shows every key",
    )


def _check_values(settings: Settings, path: Path) -> None:
    def refuse(key: str, value: object, remedy: str) -> None:
        raise InputError(f"{key} has the value {value!r}", where=f"{path}, key {key}", remedy=remedy)

    if settings.stack.engine not in ("docker", "local", "external"):
        refuse("stack.engine", settings.stack.engine, "use docker, local or external")
    _check_external(settings.stack, refuse)
    check_ranges(settings, refuse)
    for key, side in (("source", settings.source), ("target", settings.target)):
        if side.sslmode not in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"):
            refuse(f"{key}.sslmode", side.sslmode, "use one of libpq's sslmode values")
    ladder, seconds = settings.load_test.ladder, settings.load_test.rung_seconds
    if not ladder or not all(1 <= clients <= 256 for clients in ladder):
        refuse("load_test.ladder", list(ladder), "use numbers of clients from 1 to 256")
    if not 0.05 <= seconds <= 600:
        refuse("load_test.rung_seconds", seconds, "use 0.05 to 600 seconds")
    if settings.branching.open not in ("compute", "database"):
        refuse("branching.open", settings.branching.open, "use compute or database")
    if not 1 <= settings.copy.workers <= 64:
        refuse("copy.workers", settings.copy.workers, "use 1 to 64")
    _check_api(settings.api, refuse)
    urls = (
        ("api.old", settings.api.old),
        ("api.new", settings.api.new),
        ("metrics.url", settings.metrics.url),
    )
    for key, url in urls:
        if not url.startswith(("http://", "https://")):
            refuse(key, url, "use a URL that begins with http:// or https://")


def _check_external(stack: StackSettings, refuse: Callable[[str, object, str], None]) -> None:
    named = {*stack.apps.containers, *stack.workspace.containers, stack.apps.old_service}
    for name, service in stack.external.items():
        key = f"stack.external.{name}"
        if name not in named:
            refuse(key, name, f"use a name of stack.apps or stack.workspace: {', '.join(sorted(named))}")
        if service.health and not service.health.startswith(("http://", "https://", "tcp://")):
            refuse(f"{key}.health", service.health, "use http://, https:// or tcp://host:port")
        if not 1 <= service.seconds <= 3600:
            refuse(f"{key}.seconds", service.seconds, "use 1 to 3600")
    if stack.engine == "external" and stack.apps.old_service not in stack.external:
        refuse("stack.external", sorted(stack.external), f"describe {stack.apps.old_service} there")


def _check_api(api: ApiSettings, refuse: Callable[[str, object, str], None]) -> None:
    if not 0 <= api.max_requests_per_minute <= 1_000_000:
        refuse("api.max_requests_per_minute", api.max_requests_per_minute, "use 0 (as the API says) or more")
    for key in ("path", "health_path", "categories_path"):
        value = getattr(api, key)
        if value and not value.startswith("/"):
            refuse(f"api.{key}", value, "begin it with /, or leave it empty")
    if api.update_method not in ("PUT", "PATCH"):
        refuse("api.update_method", api.update_method, "use PUT or PATCH")
    for name, value in api.headers.items():
        if name.lower() in ("authorization", "cookie", "proxy-authorization", "x-api-key"):
            refuse(f"api.headers.{name}", "(hidden)", "name the variable that holds a token in api.token_env")
        if not (name + value).isprintable():
            refuse(f"api.headers.{name}", value, "use printable text")
    if api.body and "{marker}" not in str(api.body):
        refuse("api.body", api.body, "put {marker} into a text field: wsdash finds its test items by it")
