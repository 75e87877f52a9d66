"""Rights that a migration wants are looked for before anything is stopped."""

from __future__ import annotations

import msgspec

from wsdash.config import Settings, load_settings
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.steps.services.readiness import lacking_rights


def _settings(source: Endpoint, target: Endpoint, user: str) -> Settings:
    settings = load_settings()
    sides = {
        name: msgspec.structs.replace(
            getattr(settings, name),
            host=place.host,
            port=place.port,
            database=place.database,
            user=user,
            password_env=place.password_env,
        )
        for name, place in (("source", source), ("target", target))
    }
    return msgspec.structs.replace(settings, **sides)


async def test_a_user_with_every_right_lacks_nothing(source: Endpoint, target: Endpoint) -> None:
    assert await lacking_rights(_settings(source, target, "postgres")) == {"source": [], "target": []}


async def test_each_right_that_is_missing_is_named_with_the_command_that_gives_it(
    source: Endpoint, target: Endpoint
) -> None:
    for place in (source, target):
        async with connection(place, read_only=False) as conn:
            await conn.execute(
                "do $$ begin if not exists (select from pg_roles where rolname = 'rightless') then "
                f"create role rightless login password '{place.password()}'; end if; end $$"
            )
    async with connection(source, read_only=False) as conn:
        await conn.execute("create schema workspace; create table workspace.t (id int)")
    found = await lacking_rights(_settings(source, target, "rightless"))
    source_says, target_says = " | ".join(found["source"]), " | ".join(found["target"])
    assert 'ALTER ROLE "rightless" CREATEDB' in source_says
    assert 'GRANT USAGE ON SCHEMA "workspace" TO "rightless"' in source_says
    assert "SELECT on t:" in source_says
    assert "GRANT CREATE ON DATABASE" in target_says
    async with connection(target, read_only=False) as conn:
        await conn.execute("create schema workspace; create table workspace.t (id int)")
    target_says = " | ".join((await lacking_rights(_settings(source, target, "rightless")))["target"])
    assert 'GRANT CREATE ON SCHEMA "workspace"' in target_says
    assert 'ALTER TABLE "workspace"."t" OWNER TO "rightless"' in target_says


async def test_parts_of_tables_in_another_schema_count_too(source: Endpoint, target: Endpoint) -> None:
    async with connection(source, read_only=False) as conn:
        await conn.execute(
            "do $$ begin if not exists (select from pg_roles where rolname = 'rightless') then "
            f"create role rightless login password '{source.password()}'; end if; end $$;"
            "create schema workspace; create schema parts; grant usage on schema workspace to rightless;"
            "create table workspace.t (id int) partition by range (id);"
            "create table parts.t1 partition of workspace.t for values from (0) to (9);"
            "grant select on all tables in schema workspace to rightless"
        )
    settings = _settings(source, target, "rightless")

    async def told() -> str:
        return " | ".join((await lacking_rights(settings))["source"])

    assert 'GRANT USAGE ON SCHEMA "parts" TO "rightless"' in await told()
    async with connection(source, read_only=False) as conn:
        await conn.execute("grant usage on schema parts to rightless")
    assert 'GRANT SELECT ON ALL TABLES IN SCHEMA "parts" TO "rightless"' in await told()
    async with connection(source, read_only=False) as conn:
        await conn.execute("grant select on all tables in schema parts to rightless")
    assert "parts" not in await told()


async def test_a_server_that_is_not_there_says_nothing_of_rights(source: Endpoint) -> None:
    settings = _settings(source, source, "postgres")
    away = msgspec.structs.replace(settings.target, port=9)
    found = await lacking_rights(msgspec.structs.replace(settings, target=away))
    assert list(found) == ["source"]
