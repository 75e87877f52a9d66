"""pg_dump as an oracle: what it writes of both sides, entry by entry, and which differences nothing explains.

Nothing here knows how wsdash reads a catalog: the entries are pg_dump's own, and a difference counts as
explained only by a line of the comparison that names the object.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence

from tests.support.servers import PASSWORD
from wsdash.data.pg.connect import Endpoint
from wsdash.data.schema.compare_tables import canonical
from wsdash.demo.world.postgres import programs
from wsdash.model import SchemaObject

Entry = tuple[str, str, str]
"""Type, schema and name, as pg_dump heads an entry."""

_HEAD = re.compile(
    r"^-- Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*); Owner: ?.*$", re.M
)
_WORD = re.compile(r"[\w$]+|[^\w\s\"'.,;:()]+")
_PRINTED = "VIEW", "MATERIALIZED VIEW", "RULE"
_TELLING = {"not-carried", "adapted", "blocks"}


def dump(side: Endpoint) -> dict[Entry, str]:
    """What PostgreSQL 18's pg_dump writes of a database's schema, its own properties included."""
    argv = [str(programs(18) / "pg_dump"), "--schema-only", "--create", "-h", side.host, "-p", str(side.port)]
    done = subprocess.run(
        [*argv, "-U", side.user, side.database],
        env=os.environ | {"PGPASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    text = done.stdout.replace(side.database, "THIS_DATABASE")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    entries: dict[Entry, str] = {}
    for head, end in zip(heads, ends, strict=True):
        lines = [
            line
            for line in text[head.end() : end].splitlines()
            if line.strip()
            and not re.match(r"--|SET |\\|SELECT pg_catalog\.set_config|ALTER .* OWNER TO ", line)
        ]
        entries[head["type"], head["schema"], head["name"]] = "\n".join(lines)
    return entries


def unexplained(
    source: Mapping[Entry, str],
    target: Mapping[Entry, str],
    lines: Sequence[SchemaObject],
    parts: Mapping[str, str],
    schema: str,
) -> list[str]:
    """The entries that the target lacks or has otherwise, and that no line names. parts: partitions with
    their root."""
    judged = _Judgement(source, target, lines, parts, schema)
    return [
        f"{kind} {name} ({where}): {'differs' if (kind, where, name) in target else 'missing'}"
        for (kind, where, name), body in source.items()
        if not judged.same((kind, where, name), body) and not judged.explained((kind, where, name), body)
    ]


class _Judgement:
    def __init__(
        self,
        source: Mapping[Entry, str],
        target: Mapping[Entry, str],
        lines: Sequence[SchemaObject],
        parts: Mapping[str, str],
        schema: str,
    ) -> None:
        self.source = source
        self.target = target
        self.parts = parts
        self.schema = schema
        self.lines = [(one, words(f"{one.kind} {one.name} {one.detail}")) for one in lines]
        self.bodies = {_nameless(body, name) for (_, _, name), body in source.items()}
        self.there = {_nameless(body, name) for (_, _, name), body in target.items()}

    def same(self, entry: Entry, body: str) -> bool:
        other = self.target.get(entry)
        if other is None:
            return False
        if entry[0] in _PRINTED:
            return canonical(_plain(body), unqualified=True) == canonical(_plain(other), unqualified=True)
        if entry[0] in ("ACL", "DATABASE PROPERTIES"):
            return set(body.splitlines()) == set(other.splitlines())
        return _plain(body) == _plain(other)

    def explained(self, entry: Entry, body: str) -> bool:
        kind, where, name = entry
        if kind == "DATABASE":
            return True  # its name, encoding and locale are the target's own
        if where.startswith("_timescaledb_"):
            return self.named({"timescaledb"}) or self.named({"chunks"})
        if where not in ("-", "pg_catalog", self.schema):
            return self.named({"schema", where})
        if kind == "DATABASE PROPERTIES":
            settings = re.findall(r" SET (\w+) TO ", body)
            return all(self.named({"setting", setting}) for setting in settings)
        if kind == "DEFAULT ACL":
            roles = re.findall(r"FOR ROLE (\w+)", body)
            return all(self.named({"default", "privileges", role}) for role in roles)
        tokens = {word for word in words(name) if not word.isupper()}
        if kind.startswith("PUBLICATION TABLE"):
            tokens = {name.split()[0]}
        if kind in (
            "TABLE ATTACH",
            "INDEX ATTACH",
            "TABLE",
            "CONSTRAINT",
            "FK CONSTRAINT",
            "INDEX",
            "TRIGGER",
            "DEFAULT",
        ):
            part = next((one for one in self.parts if one in body), None)
            if part is not None and self.of_part(part, kind, name, body):
                return True
        if kind == "TABLE" and "CREATE UNLOGGED TABLE" in body:
            logged = (found for one, found in self.lines if "logged instead of UNLOGGED" in one.detail)
            return any(tokens <= found for found in logged)
        return self.named(tokens)

    def of_part(self, part: str, kind: str, name: str, body: str) -> bool:
        """Whether a partition's entry only repeats its root's, or one of the target that stands for all
        parts."""
        root = self.parts[part]
        if kind in ("TABLE", "TABLE ATTACH"):
            return self.named({"chunks", *words(root)})
        if kind == "DEFAULT":
            return self.repeats_default(root.split(".")[-1], body)
        if kind == "INDEX ATTACH":
            found = re.match(r"ALTER INDEX (\S+) ATTACH", body)
            parent = found[1].split(".")[-1] if found is not None else ""
            # a part's index of a part: its parent's own line of attachment is judged by itself
            attached = any(one[0] == kind and one[2] == parent for one in self.source)
            return attached or any(parent in words(one) for _, _, one in self.target)
        folded = _nameless(body.replace(part, root), name)
        return folded in self.bodies or folded in self.there

    def repeats_default(self, root: str, body: str) -> bool:
        """Whether a child's default, which an inheriting table has as its own, is the one table's too."""
        own = re.search(r"ALTER COLUMN (\S+) SET DEFAULT (.*);", body)
        table = next(
            (text for (kind, _, name), text in self.target.items() if (kind, name) == ("TABLE", root)), ""
        )
        return own is not None and bool(
            re.search(rf"^\s*{re.escape(own[1])} .*DEFAULT {re.escape(own[2])}", table, re.M)
        )

    def named(self, tokens: Collection[str]) -> bool:
        return any(
            set(tokens) <= found
            for one, found in self.lines
            if one.fate in _TELLING or " instead " in one.detail
        )


def _plain(body: str) -> str:
    """One form of what says the same: the order of options, and what PostgreSQL 15 keeps for itself in
    them."""
    text = re.sub(r"^ALTER .* ALTER COLUMN \S+ SET \(pg_attver=\d+\);$", "", body, flags=re.M)
    text = re.sub(r"pg_attver=\d+, ", "", text)
    text = re.sub(r"WITH \((.*)\);", lambda found: f"WITH {sorted(found[1].split(', '))}", text)
    return canonical(text.replace(" ON ONLY ", " ON "))


def words(text: str) -> set[str]:
    """The words and operators of a text."""
    return set(_WORD.findall(text))


def _nameless(body: str, name: str) -> str:
    """A definition without the name of what it defines."""
    last = name.split()[-1]
    text = re.sub(rf"(CONSTRAINT|INDEX|TRIGGER) {re.escape(last)}\b", r"\1", body)
    return canonical(text.replace(" ONLY ", " "))
