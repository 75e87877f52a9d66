"""The source's schema, its hypertables imitated in one of two ways (no extension is needed), and items.

Items are any number, the same for the same seed on any machine and any day.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import asyncpg

from wsdash.demo.limits import LOAD_SECONDS

SCHEMA = "workspace"
INTERNAL = "_timescaledb_internal"
EPOCH = datetime(2025, 11, 3, tzinfo=UTC)
"""Where generated time ends: fixed, so that the same seed gives the same rows on any day."""
HISTORY_MONTHS = 24
MONTHS_AHEAD = 3
HYPERTABLES = {"workspace_items": "created_at", "workspace_audit_log": "changed_at"}
_MARK = re.compile(r"\) -- hypertable: (\w+)\n;")


def before_rows(kind: str = "partitions", now: datetime | None = None) -> str:
    """SQL of everything but the indexes beside the primary keys: ready for rows. See source_schema."""
    tables = _read("workspace.sql")
    if kind == "partitions":
        tables = _MARK.sub(r") PARTITION BY RANGE (\1);", tables)
        return tables + _internal_schema() + "".join(_partitions(now))
    if kind != "inheritance":
        raise ValueError(f"kind is 'partitions' or 'inheritance', not {kind!r}")
    return _MARK.sub(");", tables)


def after_rows(kind: str = "partitions", now: datetime | None = None) -> str:
    """SQL of what follows the rows. Only 'partitions' can be loaded in between."""
    return _read("workspace_indexes.sql") + ("" if kind == "partitions" else _inheritance(now))


def source_schema(kind: str = "partitions", now: datetime | None = None) -> str:
    """SQL that makes the whole source schema in an empty database, six categories included, as superuser.

    Chunks exist for 24 months before EPOCH and up to three months after `now` (default: this moment).
    Raises ValueError for an unknown kind.
    """
    return before_rows(kind, now) + after_rows(kind, now)


async def ensure_chunks(conn: asyncpg.Connection, now: datetime | None = None) -> list[str]:
    """Make the chunks that are missing up to three months after `now`; the names of those made.

    A real hypertable makes them at insert; partitions cannot, so a world that is taken up again calls this.
    """
    made: list[str] = []
    found = await conn.fetch(
        "select relname from pg_catalog.pg_class where relnamespace = $1::regnamespace", INTERNAL, timeout=10
    )
    taken = {record["relname"] for record in found}
    for hypertable, table in enumerate(HYPERTABLES, start=1):
        for number, first, after in chunk_months(hypertable, now):
            name = chunk_name(hypertable, number)
            if name not in taken:
                await conn.execute(_partition(table, name, first, after), timeout=10)
                made.append(name)
    return made


def chunk_months(hypertable: int, now: datetime | None = None) -> list[tuple[int, datetime, datetime]]:
    """(chunk number, first instant, first instant after it) of every month, oldest first.

    Chunk numbers run through both hypertables, as TimescaleDB's do: odd for the first, even for the second.
    """
    last = max(now or datetime.now(UTC), EPOCH)
    start = EPOCH.year * 12 + EPOCH.month - 1 - HISTORY_MONTHS
    end = last.year * 12 + last.month - 1 + MONTHS_AHEAD
    months = [_month(index) for index in range(start, end + 2)]
    return [(2 * place + hypertable, first, after) for place, (first, after) in enumerate(pairwise(months))]


def chunk_name(hypertable: int, number: int) -> str:
    """TimescaleDB's name of a chunk."""
    return f"_hyper_{hypertable}_{number}_chunk"


def _month(index: int) -> datetime:
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _internal_schema() -> str:
    return f"CREATE SCHEMA {INTERNAL};\n"


def _partition(table: str, name: str, first: datetime, after: datetime) -> str:
    bounds = f"FROM ('{first:%Y-%m-%d} 00:00:00+00') TO ('{after:%Y-%m-%d} 00:00:00+00')"
    return f"CREATE TABLE {INTERNAL}.{name} PARTITION OF {SCHEMA}.{table} FOR VALUES {bounds};\n"


def _partitions(now: datetime | None) -> list[str]:
    return [
        _partition(table, chunk_name(hypertable, number), first, after)
        for hypertable, table in enumerate(HYPERTABLES, start=1)
        for number, first, after in chunk_months(hypertable, now)
    ]


def _inheritance(now: datetime | None) -> str:
    statements = [_internal_schema()]
    for hypertable, (table, column) in enumerate(HYPERTABLES.items(), start=1):
        routes = []
        for number, first, after in chunk_months(hypertable, now):
            name = chunk_name(hypertable, number)
            statements.append(_inheriting_chunk(table, column, name, first, after))
            routes.append(f"  WHEN '{first:%Y-%m}' THEN INSERT INTO {INTERNAL}.{name} SELECT NEW.*;\n")
        statements.append(_router(table, column, "".join(routes)))
    return "".join(statements)


def _inheriting_chunk(table: str, column: str, name: str, first: datetime, after: datetime) -> str:
    low, high = f"'{first:%Y-%m-%d} 00:00:00+00'", f"'{after:%Y-%m-%d} 00:00:00+00'"
    number = name.split("_")[3]
    statements = [
        f"CREATE TABLE {INTERNAL}.{name} (LIKE {SCHEMA}.{table} INCLUDING ALL EXCLUDING COMMENTS, "
        f"CONSTRAINT constraint_{number} CHECK ({column} >= {low} AND {column} < {high})) "
        f"INHERITS ({SCHEMA}.{table});\n"
    ]
    if table == "workspace_items":
        # inheritance does not clone row triggers, hypertables do
        statements += [
            f"CREATE TRIGGER workspace_items_touch BEFORE UPDATE ON {INTERNAL}.{name} "
            f"FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.touch_updated_at();\n",
            f"CREATE TRIGGER workspace_items_audit AFTER INSERT OR UPDATE OR DELETE ON {INTERNAL}.{name} "
            f"FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.log_item_change();\n",
        ]
    return "".join(statements)


def _router(table: str, column: str, routes: str) -> str:
    function = f"{INTERNAL}.route_{table}"
    return (
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $body$\nBEGIN\n"
        f"  CASE to_char(NEW.{column} AT TIME ZONE 'UTC', 'YYYY-MM')\n{routes}"
        f"  ELSE RAISE EXCEPTION 'no chunk of {table} for %', NEW.{column};\n"
        "  END CASE;\n  RETURN NULL;\nEND $body$;\n"
        f"CREATE TRIGGER ts_insert_blocker BEFORE INSERT ON {SCHEMA}.{table} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}();\n"
    )


PRIORITIES = ("low", "medium", "high", "critical")
STATUSES = ("new", "review", "in-progress", "completed", "rejected")
CATEGORIES = ("documentacao", "coleta-dados", "banco-dados", "analise-dados", "gestao-riscos", "dashboard")
COLUMNS = (
    "id",
    "title",
    "description",
    "category",
    "priority",
    "status",
    "tags",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "metadata",
)
BATCH = 1000

Row = tuple[object, ...]

_VERBS = ("Revisar", "Criar", "Migrar", "Documentar", "Corrigir", "Investigar", "Automatizar", "Medir")
_SUBJECTS = (
    "índices do banco",
    "coleta de cotações",
    "painel de risco",
    "política de retenção",
    "relatório diário",
    "fila de ingestão",
    "日次レポート",
    "Übersicht der Läufe",
    "отчёт по рискам",
    "alertas 🚨 do stack",
)
_DETAILS = (
    "Ver ADR e combinar a janela com o time.",
    "Latência acima de 200 ms no pico — medir antes de mudar.",
    'Linha com "aspas", \\barra, tab\te fim.\nSegunda linha: ção, ñ, ß, 漢字.',
    "Depende da revisão do esquema; ver o quadro.",
    "\\.",
)
_TAGS = (
    "timescaledb",
    "neon",
    "api",
    "kanban",
    "urgente",
    "dívida técnica",
    "produção",
    "a,b",
    'com "aspas"',
)
_PEOPLE = ("ana", "bruno", "carla", "davi", "josé", "系统", None)


def generate_items(count: int, seed: int) -> Iterator[Row]:
    """`count` rows in the order of COLUMNS, oldest first, spread evenly over 24 months up to EPOCH."""
    rng = random.Random(seed)
    start = EPOCH - timedelta(days=30 * HISTORY_MONTHS)
    step = (EPOCH - start) / max(count, 1)
    for place in range(count):
        created = start + step * (place + rng.random() * 0.9)
        yield _row(rng, place, created)


async def load_items(
    conn: asyncpg.Connection, count: int, seed: int, on_rows: Callable[[int], None] | None = None
) -> None:
    """COPY generated items into workspace.workspace_items, triggers on; on_rows hears how many went so far.

    The caller owns the transaction. Needs months of chunks back to 24 months before EPOCH.
    """

    async def batches() -> AsyncIterator[Row]:
        for place, row in enumerate(generate_items(count, seed), start=1):
            yield row
            if place % BATCH == 0:
                if on_rows is not None:
                    on_rows(place)
                await asyncio.sleep(0)

    await conn.copy_records_to_table(
        "workspace_items", schema_name=SCHEMA, columns=COLUMNS, records=batches(), timeout=LOAD_SECONDS
    )
    if on_rows is not None:
        on_rows(count)


def _row(rng: random.Random, place: int, created: datetime) -> Row:
    # the first rows walk through every value, so that a tiny world has them all too
    status = STATUSES[place % 5] if place < 60 else rng.choices(STATUSES, (20, 15, 25, 32, 8))[0]
    priority = PRIORITIES[place % 4] if place < 60 else rng.choices(PRIORITIES, (30, 40, 22, 8))[0]
    category = CATEGORIES[place % 6] if place < 60 else rng.choice(CATEGORIES)
    author = rng.choice(_PEOPLE)
    editor = rng.choice(_PEOPLE) if status != "new" else None
    updated = created if editor is None else created + timedelta(minutes=rng.randrange(1, 20_000))
    metadata: dict[str, object] = {
        "estimate": rng.randrange(1, 40),
        "source": rng.choice(("ui", "api", "import")),
    }
    if rng.random() < 0.3:
        metadata["links"] = [f"https://example.org/{rng.randrange(10_000)}"]
        metadata["nota"] = rng.choice(_DETAILS)
    return (
        uuid.UUID(int=rng.getrandbits(128), version=4),
        f"{rng.choice(_VERBS)} {rng.choice(_SUBJECTS)} #{place + 1}",
        None if rng.random() < 0.2 else rng.choice(_DETAILS),
        category,
        priority,
        status,
        rng.sample(_TAGS, rng.randrange(0, 4)),
        created,
        min(updated, EPOCH),
        author,
        editor,
        json.dumps(metadata, ensure_ascii=False),
    )
