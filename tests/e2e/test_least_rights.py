"""A migration with the rights of docs/security.md, as they stand there, and not one more."""

from __future__ import annotations

import asyncio
import re

from tests.support.world import World
from wsdash.config import shipped
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.demo.world.postgres import TARGET_ADMIN
from wsdash.steps.base import endpoint

PASSWORD = "least-rights-7f1c"
TABLES = "select count(*) from pg_tables where schemaname = 'workspace' and tableowner = 'wsdash'"
RIGHTS = (
    "select string_agg(rolsuper::text || rolcreaterole || rolreplication || rolbypassrls, '')"
    " from pg_roles where rolname = 'wsdash'"
)


def documented() -> tuple[str, str]:
    """The SQL for the source and for the target, with the passwords filled in."""
    text = shipped("docs", "security.md").read_text().partition("## Least rights")[2]
    source, target = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)[:2]
    return source.replace("'...'", f"'{PASSWORD}'"), target.replace("'...'", f"'{PASSWORD}'")


def run_as(side: Endpoint, sql: str) -> None:
    async def run() -> None:
        async with connection(side, read_only=False) as session:
            await session.execute(sql)

    asyncio.run(run())


def test_a_migration_runs_with_the_documented_rights(world: World) -> None:
    for_source, for_target = documented()
    world.source(for_source)
    world.start("workspace-db-compute")
    target = endpoint(world.settings.target)
    admin = world.program.state / "world" / "secrets" / "target-admin"
    run_as(
        Endpoint("target", target.host, target.port, target.database, TARGET_ADMIN, password_file=str(admin)),
        for_target,
    )
    for name in ("workspace-db-compute", "workspace-db-safekeeper", "workspace-db-pageserver"):
        world.stop(name)
    secret = world.program.state / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    for side in ("SOURCE", "TARGET"):
        world.program.environment[f"WSDASH__{side}__USER"] = "wsdash"
        world.program.environment[f"WSDASH__{side}__PASSWORD_FILE"] = str(secret)
    done = world.program.run("migrate", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outcome: migrated" in done.stdout
    assert (world.source(RIGHTS), world.target(RIGHTS)) == ("false" * 4, "false" * 4)
    assert world.target(TABLES) == 4
    assert world.get(world.settings.api.new, "/api/items")[1]["count"] == 300
