"""Every key of wsdash.yaml, with its type, default and range."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wsdash.config.rules import (
    Address,
    FilePath,
    Filled,
    Host,
    Name,
    NeededPath,
    NeededUrl,
    Port,
    Size,
    SslMode,
    Url,
    UrlPath,
    Variable,
)


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class AppsSettings(_Section, frozen=True):
    """The old world's compose file and containers. overrides: compose files laid over it, in this order."""

    file: FilePath
    old_service: Filled
    containers: tuple[Filled, ...]
    overrides: tuple[FilePath, ...] = ()


class WorkspaceSettings(_Section, frozen=True):
    """The new stack's compose file and its four containers. overrides: compose files laid over it, in this
    order. build_command: argv of the operator's own way to make missing images; empty: they are pulled.
    build_environment: names of variables that it gets beside those that every program needs.
    after_schema: containers whose health needs the tables, so that only init-neon waits for it; empty: the
    one whose name contains "api". relay: the service that takes the old API's address in mode online and
    passes everything to the new one; not among `containers`; empty: there is none.
    """

    file: FilePath
    containers: tuple[Filled, ...]
    overrides: tuple[FilePath, ...] = ()
    build_command: tuple[str, ...] = ()
    build_environment: tuple[Variable, ...] = ()
    after_schema: tuple[str, ...] = ()
    relay: str = ""

    @property
    def services(self) -> tuple[str, ...]:
        """The containers, and the relay where there is one."""
        return (*self.containers, self.relay) if self.relay else self.containers


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
    ports: tuple[Port, ...] = ()
    seconds: Annotated[float, Meta(ge=1, le=3600, description="use 1 to 3600 seconds")] = 60.0
    environment: tuple[Variable, ...] = ()


class StackSettings(_Section, frozen=True):
    """Which engine runs the containers, and which containers there are. external: by name, where the engine
    is external."""

    engine: Literal["docker", "local", "external"]
    apps: AppsSettings
    workspace: WorkspaceSettings
    supervisor: FilePath = ""
    external: dict[str, ExternalService] = {}


class DatabaseSettings(_Section, frozen=True):
    """One side's database; the password is named, never held.

    pause_jobs (of the source): whether TimescaleDB's background jobs are paused from the backup to the end of
    the comparison, and then put back; ask: as a person says before the first item that reads the source.
    """

    label: Filled
    host: Host
    port: Port
    database: Name
    user: Name
    schema: Name
    password_env: Variable = ""
    password_file: FilePath = ""
    sslmode: SslMode = "prefer"
    schema_file: FilePath = ""
    mapping: FilePath = ""
    pause_jobs: bool | Literal["ask"] = "ask"


class ApiSettings(_Section, frozen=True):
    """Base URLs of the old and the new API, the dashboard's page, and the API's shape (docs/api.md).

    path, health_path, categories_path: of the list of items, the health page, the categories; an empty one
    is not asked. table: of the items. headers: sent with every request; token_env: name of the variable that
    holds a bearer token. body, update: what is sent to make and to change a test item, {marker} and
    {category} replaced. compare: fields that are read back; empty: those that the API stores. statuses: what
    an item is moved through. max_requests_per_minute: 0: as the API's own RateLimit headers say.
    """

    old: NeededUrl
    new: NeededUrl
    dashboard: Url = ""
    path: UrlPath = "/api/items"
    health_path: UrlPath = "/health"
    categories_path: UrlPath = "/api/categories"
    table: str = "workspace_items"
    headers: dict[str, str] = {}
    token_env: Variable = ""
    body: dict[str, Any] = {}
    update: dict[str, Any] = {}
    update_method: Literal["PUT", "PATCH"] = "PUT"
    compare: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("new", "review", "in-progress", "completed", "rejected")
    max_requests_per_minute: Annotated[
        int, Meta(ge=0, le=1_000_000, description="use 0 (as the API says) to 1000000")
    ] = 0


class EndpointSettings(_Section, frozen=True):
    """The storage nodes: PostgreSQL ports as host:port, HTTP as URLs. Empty ones are not asked."""

    pageserver_pg: Address = ""
    pageserver_http: Url = ""
    safekeeper_pg: Address = ""
    safekeeper_http: Url = ""
    compute_http: Url = ""


class MetricsSettings(_Section, frozen=True):
    """wsdash's own metrics. url: where Prometheus reaches what `wsdash watch --metrics-port` serves, without
    the /metrics at its end."""

    url: NeededUrl = "http://localhost:3280"


Latency = Annotated[float, Meta(ge=0.001, le=3600, description="use 0.001 to 3600 seconds")]


class Thresholds(_Section, frozen=True):
    """The guide's numbers: seconds, per minute, per cent, bytes."""

    get_seconds: Latency = 0.2
    post_seconds: Latency = 0.1
    alert_api_seconds: Latency = 0.5
    alert_errors_per_minute: Annotated[float, Meta(ge=0, le=1e6, description="use 0 to 1000000")] = 5
    alert_disk_percent: Annotated[float, Meta(ge=1, le=100, description="use per cent from 1 to 100")] = 80
    stack_memory_bytes: Annotated[
        int, Meta(ge=1 << 20, le=1 << 50, description="use bytes, from 1 MiB on")
    ] = 2 * 1024**3


class PathSettings(_Section, frozen=True):
    """Directories and files. adr: the document of item review-adr. monitoring: templates of your own."""

    backups: NeededPath = "backups"
    adr: FilePath = ""
    monitoring: FilePath = ""


class NotifySettings(_Section, frozen=True):
    """How the team is notified, beside a person's tick. environment: names of variables that the command gets
    beside PATH, HOME and the like."""

    webhook_env: Variable = ""
    command: tuple[str, ...] = ()
    environment: tuple[Variable, ...] = ()


class AlertSettings(_Section, frozen=True):
    """Who is notified of alerts beside the screen. The webhook's URL is named, never held. bell, desktop:
    what the operator's own terminal does. environment: as for notify. apprise_env: names of variables that
    hold apprise's URLs, each a channel of its own (needs wsdash[channels]).
    """

    webhook_env: Variable = ""
    webhook_file: FilePath = ""
    apprise_env: tuple[Variable, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[Variable, ...] = ()
    bell: bool = True
    desktop: bool = True


class ScreenSettings(_Section, frozen=True):
    """The operator's own screen. keys: the id of a key (`?` on the screen lists them) -> what is pressed
    instead: one sign, or a name such as f5 or ctrl+f; several with commas between them.
    """

    keys: dict[str, str] = {}


class CutoverSettings(_Section, frozen=True):
    """The switch of mode online. max_write_downtime_seconds: when writers were refused for so long before the
    old side is closed, it is taken back and the old side goes on. accept_no_way_back: agree that a rollback
    after the switch loses what users wrote since, where the mapping cannot be taken back.
    """

    max_write_downtime_seconds: Annotated[float, Meta(ge=0.1, le=60, description="use 0.1 to 60 seconds")] = (
        2.0
    )
    accept_no_way_back: bool = False


class CopySettings(_Section, frozen=True):
    """How hard the copy works."""

    workers: Annotated[int, Meta(ge=1, le=64, description="use 1 to 64")] = 4
    maintenance_work_mem: Size = "256MB"


class BranchingSettings(_Section, frozen=True):
    """How a branch is opened. open: compute (a second compute in the compute's container) or database (the
    stand-in's: a database of the same server). database: its name; {timeline} is replaced by the branch's id.
    tenant, timeline: which of the pageserver's are the workspace's; empty: what the compute says.
    """

    open: Literal["compute", "database"] = "compute"
    database: str = "workspace"
    tenant: str = ""
    timeline: str = ""


CLIENTS = "use numbers of clients from 1 to 256"


class LoadTestSettings(_Section, frozen=True):
    """How item benchmarks loads the API. confirmed: host:port of APIs that may be loaded unasked."""

    confirmed: tuple[str, ...] = ()
    ladder: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=256, description=CLIENTS)], ...],
        Meta(min_length=1, description=CLIENTS),
    ] = (1, 2, 4, 8, 16, 32)
    rung_seconds: Annotated[float, Meta(ge=0.05, le=600, description="use 0.05 to 600 seconds")] = 3.0
    warm_up_seconds: Annotated[float, Meta(ge=0, le=600, description="use 0 to 600 seconds")] = 1.0


class Settings(_Section, frozen=True):
    """Everything wsdash knows about where things are.

    A relative path counts from the directory of wsdash.yaml; with no wsdash.yaml of your own, from the
    working directory. ~ is the home directory. The words of commands are passed on as they are.

    mode: of a run that is begun without --mode.
    """

    stack: StackSettings
    source: DatabaseSettings
    target: DatabaseSettings
    api: ApiSettings
    endpoints: EndpointSettings = EndpointSettings()
    ports: tuple[Port, ...] = ()
    world: str = "production"
    mode: Literal["offline", "online"] = "offline"
    thresholds: Thresholds = Thresholds()
    paths: PathSettings = PathSettings()
    notify: NotifySettings = NotifySettings()
    copy: CopySettings = CopySettings()
    cutover: CutoverSettings = CutoverSettings()
    alerts: AlertSettings = AlertSettings()
    screen: ScreenSettings = ScreenSettings()
    branching: BranchingSettings = BranchingSettings()
    load_test: LoadTestSettings = LoadTestSettings()
    metrics: MetricsSettings = MetricsSettings()
    directory: str = ""
    """Where the files were read from; the paths above are absolute by then."""
