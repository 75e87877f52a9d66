"""Items of the embedded world: any number of them, the same for the same seed on any machine and any day."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta

import asyncpg

from wsdash.demo.world.schema import EPOCH, HISTORY_MONTHS, SCHEMA

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
LOAD_TIMEOUT = 3600.0
"""Seconds a load may take: a million items need a few minutes on a slow machine."""
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
        "workspace_items", schema_name=SCHEMA, columns=COLUMNS, records=batches(), timeout=LOAD_TIMEOUT
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
