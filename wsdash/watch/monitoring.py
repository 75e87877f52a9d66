"""Prometheus and Grafana files for this world: the templates filled in from the settings, and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wsdash.config import Settings
from wsdash.errors import InputError
from wsdash.outside import DocumentError, read_json, read_text_file, read_yaml
from wsdash.watch.alerting.export import prometheus_rules
from wsdash.watch.alerting.rules import AlertRule

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
RULES = "prometheus-rules.yml"
SUFFIXES = (".yml", ".yaml", ".json")


@dataclass(frozen=True)
class ScrapeTarget:
    """A URL that the rendered files name, and the first file that does.

    itself: wsdash's own page, which answers only while `wsdash watch --metrics-port` runs.
    """

    url: str
    named_in: str
    itself: bool = False


def placeholders(settings: Settings) -> dict[str, str]:
    """What templates may name as ${NAME}, and its value in this world. None of them is a secret."""
    limits = settings.thresholds
    values = {
        "WORLD": settings.world,
        "DASHBOARD_URL": settings.api.dashboard,
        "ALERT_API_SECONDS": f"{limits.alert_api_seconds:g}",
        "ALERT_ERRORS_PER_MINUTE": f"{limits.alert_errors_per_minute:g}",
        "ALERT_DISK_PERCENT": f"{limits.alert_disk_percent:g}",
        "GET_SECONDS": f"{limits.get_seconds:g}",
        "STACK_MEMORY_BYTES": f"{limits.stack_memory_bytes:.0f}",
    }
    urls = {
        "API": settings.api.new,
        "PAGESERVER": settings.endpoints.pageserver_http,
        "SAFEKEEPER": settings.endpoints.safekeeper_http,
        "WSDASH": settings.metrics.url,
    }
    for name, url in urls.items():
        values[f"{name}_SCHEME"], values[f"{name}_TARGET"], values[f"{name}_PATH"] = _parts(url)
    return values


def render_monitoring(
    settings: Settings, templates: Path, out: Path, rules: Iterable[AlertRule] | None = None
) -> list[ScrapeTarget]:
    """Fill every template under `templates` into `out` and list each URL that the results name.

    rules: the alert rules of this run, from which RULES is made; None: from its template, like the rest.
    Named are the /metrics page of every scrape target and every link of rules and dashboards, each once.
    Raises InputError for a missing directory, an unknown placeholder, or a result that is no valid YAML or
    JSON, naming the file; then nothing was written.
    """
    values = placeholders(settings)
    rendered: dict[Path, str] = {}
    endpoints: dict[str, ScrapeTarget] = {}
    scheme, target, base = _parts(settings.metrics.url)
    own_page = f"{scheme}://{target}{base}/metrics"
    for path in _templates(templates):
        name = path.relative_to(templates)
        own = rules if name == Path(RULES) else None
        text = _fill(path, values) if own is None else prometheus_rules(own)
        for url in _urls(_parse(path, text)):
            endpoints.setdefault(url, ScrapeTarget(url, str(name), url == own_page))
        rendered[name] = text
    for name, text in rendered.items():
        _write(out / name, text)
    return list(endpoints.values())


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host:port and path of a base URL."""
    parts = urlsplit(url)
    # without userinfo: a monitoring file is no place for a password
    return parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/")


def _templates(directory: Path) -> list[Path]:
    found = sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not found:
        raise InputError(
            "there are no monitoring templates",
            where=str(directory),
            remedy="correct paths.monitoring in wsdash.yaml, or leave it empty for the shipped ones",
        )
    return found


def _fill(path: Path, values: dict[str, str]) -> str:
    try:
        template = read_text_file(path)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read: {error.strerror}", where=str(path), remedy="make it readable UTF-8"
        ) from error

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            line = template.count("\n", 0, match.start()) + 1
            raise InputError(
                f"unknown placeholder ${{{name}}}",
                where=f"{path}, line {line}",
                remedy="use one of " + ", ".join(sorted(values)),
            )
        # JSON's escapes are YAML's too, inside double quotes
        return json.dumps(values[name], ensure_ascii=False)[1:-1]

    return _without_jobs_for_nobody(PLACEHOLDER.sub(value, template))


def _without_jobs_for_nobody(text: str) -> str:
    """A scrape configuration without the jobs of services that the settings leave out."""
    head, *jobs = re.split(r"(?m)^(?=  - job_name:)", text)
    return head + "".join(job for job in jobs if 'targets: [""]' not in job)


def _parse(path: Path, text: str) -> Any:
    try:
        return read_json(text) if path.suffix == ".json" else read_yaml(text)
    except DocumentError as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"{path.name} is not valid once it is filled in: {problem}",
            where=str(path),
            remedy="correct the template",
        ) from error


def _urls(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for job in content.get("scrape_configs") or []:
            yield from _scraped(job)
    yield from _links(content)


def _scraped(job: dict[str, Any]) -> Iterator[str]:
    scheme, path = job.get("scheme", "http"), job.get("metrics_path", "/metrics")
    for group in job.get("static_configs") or []:
        for target in group.get("targets") or []:
            yield f"{scheme}://{target}{path}"


def _links(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "$schema":
                continue
            yield from _links(value)
    elif isinstance(content, list):
        for value in content:
            yield from _links(value)
    elif isinstance(content, str) and content.startswith(("http://", "https://")):
        yield content


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
