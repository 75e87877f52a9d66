"""Only wsdash/data/pg/transactions.py begins and ends transactions of a database server."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import wsdash

ROOT = Path(wsdash.__file__).parent
OURS = "data/pg/transactions.py"
STATEMENT = re.compile(
    r"(^|;)\s*((BEGIN|COMMIT|ROLLBACK|ABORT|START TRANSACTION)( WORK| TRANSACTION| TO .*)?"
    r"( ISOLATION .*| READ .*)?|(RELEASE )?SAVEPOINT .*)\s*($|;)",
    re.IGNORECASE,
)
NOT_SENT = {
    "data/backup/write.py": "psql runs these, out of the backup's file",
    "data/pg/sql.py": "words to look for in a schema file",
    "engine/run/intents.py": "a word that a person types",
    "cli/running/headless.py": "a word that a person types",
}


def offences(source: str) -> list[str]:
    """Lines of a module that make a transaction by themselves."""
    found = []
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "transaction":
            found.append(f"line {node.lineno}: .transaction")
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if STATEMENT.search(node.value):
            found.append(f"line {node.lineno}: {node.value[:60]!r}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "async with conn.transaction(): pass",
        "trial = session.transaction()",
        "conn.execute('BEGIN')",
        "conn.execute('begin isolation level repeatable read')",
        "conn.execute(f'SELECT {1}; COMMIT')",
        "conn.execute('SAVEPOINT a')",
    ],
)
def test_what_is_looked_for_is_found(source: str) -> None:
    assert offences(source)


MODULES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.rglob("*.py")
    if re.search(r"asyncpg|wsdash\.data", path.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize("module", [m for m in MODULES if m not in NOT_SENT and m != OURS])
def test_no_module_makes_a_transaction_by_itself(module: str) -> None:
    assert offences((ROOT / module).read_text(encoding="utf-8")) == []
