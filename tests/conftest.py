"""Fixtures every test room shares: real servers (one of each version a worker), one database a test."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.servers import PASSWORD, PASSWORD_ENV, Server, running_server
from tests.support.timescaledb import SKIPPED, timescaledb_server, version_of
from wsdash.data.pg.connect import Endpoint

os.environ[PASSWORD_ENV] = PASSWORD
os.environ["LC_ALL"] = "C.UTF-8"  # what is shown depends on the locale, and no test on its machine's
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
OLDER = "WSDASH_OLDER_POSTGRES"
"""The directory of another PostgreSQL's programs, to be taken for Debian's 15 (14, say)."""
TESTS_END = "WSDASH_TESTS_END"
"""When the last test may begin (seconds since 1970): `.ci/run` has 90 minutes."""
OUT_OF_TIME = "NOT RUN HERE: the gate's time was over"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin no test after the end of the gate's time."""
    ends = os.environ.get(TESTS_END)
    if ends and time.time() > float(ends):
        pytest.skip(OUT_OF_TIME)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what there was no time for: a green run of half the suite must not look like a whole one."""
    skipped = terminalreporter.stats.get("skipped", [])
    if left := [report.nodeid for report in skipped if OUT_OF_TIME in str(report.longrepr)]:
        files = sorted({nodeid.partition("::")[0] for nodeid in left})
        terminalreporter.write_line(f"{OUT_OF_TIME}: {len(left)} tests, of {' '.join(files)}")


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test finds, or writes to, the runs of whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state-home"))


@pytest.fixture(scope="session")
def pg16(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real PostgreSQL 16: the source's version."""
    with running_server(16, _open(tmp_path_factory.mktemp("pg16"))) as server:
        yield server


@pytest.fixture(scope="session")
def pg18(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real PostgreSQL 18: the target's version."""
    with running_server(18, _open(tmp_path_factory.mktemp("pg18"))) as server:
        yield server


@pytest.fixture(scope="session")
def pg15(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real PostgreSQL 15, Debian's own: a third version, whose text forms are older than the others'."""
    binaries = Path(os.environ.get(OLDER) or DEBIAN_15)
    if not (binaries / "postgres").exists():
        assert not os.environ.get("WSDASH_REQUIRE_POSTGRES15"), f"{binaries} is required here and missing"
        pytest.skip(f"PostgreSQL 15 is not installed ({binaries}): apt-get install postgresql-15")
    with running_server(version_of(binaries), _open(tmp_path_factory.mktemp("pg15")), binaries) as server:
        yield server


@pytest.fixture(scope="session")
def timescale_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real TimescaleDB, for tests marked `timescaledb`; they skip where no server offers it."""
    with timescaledb_server(_open(tmp_path_factory.mktemp("timescale"))) as server:
        if server is None:
            pytest.skip(SKIPPED)
        yield server


@pytest.fixture
async def timescale(timescale_server: Server) -> AsyncIterator[Endpoint]:
    """An empty database on a real TimescaleDB (tests.support.timescaledb.make_field_schema fills it)."""
    endpoint = await timescale_server.fresh_database()
    yield endpoint
    await timescale_server.drop_database(endpoint.database)


@pytest.fixture
async def source(pg16: Server) -> AsyncIterator[Endpoint]:
    """An empty database on PostgreSQL 16."""
    endpoint = await pg16.fresh_database()
    yield endpoint
    await pg16.drop_database(endpoint.database)


@pytest.fixture
async def older(pg15: Server) -> AsyncIterator[Endpoint]:
    """An empty database on PostgreSQL 15."""
    endpoint = await pg15.fresh_database()
    yield endpoint
    await pg15.drop_database(endpoint.database)


@pytest.fixture
async def target(pg18: Server) -> AsyncIterator[Endpoint]:
    """An empty database on PostgreSQL 18."""
    endpoint = await pg18.fresh_database()
    yield endpoint
    await pg18.drop_database(endpoint.database)


def _open(directory: Path) -> Path:
    directory.chmod(0o755)
    return directory
