"""The servers that all other tests stand on are what they claim to be."""

from wsdash.data.pg.connect import Endpoint, connection


async def test_source_and_target_are_real_postgresql_16_and_18(source: Endpoint, target: Endpoint) -> None:
    async with connection(source, read_only=True) as old, connection(target, read_only=True) as new:
        assert (await old.fetchval("show server_version_num"))[:2] == "16"
        assert (await new.fetchval("show server_version_num"))[:2] == "18"


async def test_read_only_sessions_cannot_write(source: Endpoint) -> None:
    async with connection(source, read_only=True) as session:
        assert await session.fetchval("show transaction_read_only") == "on"
