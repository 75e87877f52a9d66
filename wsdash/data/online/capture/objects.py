"""The SQL of what capture adds to a database: a state, gates, and a typed log a table.

A gate (BEFORE STATEMENT) refuses writers while the side is fenced or closed, also those whose statement finds
no row. A log trigger (AFTER ROW) notes the key of each changed row with its transaction. Both exist a second
time for sessions in replica role, where they fire unless the session is our own; TimescaleDB does not
allow that on hypertables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdash.data.copy.manifest import SCHEMA
from wsdash.data.online.capture.tracked import APPLIED, APPLYING, FENCE, GATE, SEAL, STATE, TABLES, Tracked
from wsdash.data.pg.sql import ident, literal

REFUSAL = "57P03"
"""cannot_connect_now: services tell it as a temporary failure (HTTP 503)."""
_PATH = "SET search_path = pg_catalog, pg_temp"
_FOREIGN = f"WHEN (pg_catalog.current_setting({literal(APPLYING)}, true) IS DISTINCT FROM 'on')"
_ANY = "INSERT OR UPDATE OR DELETE"

BASE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {STATE} (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  run text NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'closed')),
  turn integer NOT NULL DEFAULT 0,
  opened_at pg_snapshot,
  closed_by xid8,
  position pg_snapshot,
  position_turn integer,
  position_boot text,
  position_ground text,
  suspects integer[] NOT NULL DEFAULT '{{}}',
  opened_ground text,
  own_boot text,
  shape text);
CREATE TABLE IF NOT EXISTS {SEAL} (
  single boolean PRIMARY KEY DEFAULT true CHECK (single), seals bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {APPLIED} (xid xid8 PRIMARY KEY);
INSERT INTO {SEAL} (seals) VALUES (0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS {TABLES} (
  number integer PRIMARY KEY, table_schema text NOT NULL, table_name text NOT NULL, key text[] NOT NULL,
  UNIQUE (table_schema, table_name));
"""
"""turn: how many switches this side has taken part in. opened_at: the snapshot when it was last opened.
closed_by: the transaction that closed it. position: what of the other side's turn position_turn is here;
position_boot: when that server had started; position_ground: that side's chunks at the position, and
opened_ground our own when we opened (ground.py). own_boot: when this server had started when its rows were
last known to be whole (a crash empties unlogged tables). suspects: numbers of tables that must be compared.
shape: the fingerprint of the tables when capture began."""


@dataclass(frozen=True)
class CaptureTrigger:
    """One trigger of ours. replica: it fires in replica role only. row: it is cloned to partitions."""

    name: str
    event: str
    what: str
    replica: bool = False
    row: bool = False

    def create(self, relation: str) -> str:
        """The commands that put it on a relation."""
        sql = f"CREATE TRIGGER {self.name} {self.event} ON {relation} {self.what}"
        if self.replica:
            sql += f"; ALTER TABLE {relation} ENABLE REPLICA TRIGGER {self.name}"
        return sql

    def drop(self, relation: str) -> str:
        """The command that takes it off."""
        return f"DROP TRIGGER IF EXISTS {self.name} ON {relation}"


def triggers(tracked: Tracked) -> tuple[CaptureTrigger, ...]:
    """All triggers of a table; those for replica role are not possible on a real hypertable."""
    statement, row = "FOR EACH STATEMENT", "FOR EACH ROW"
    gate, log = f"EXECUTE FUNCTION {GATE}()", f"EXECUTE FUNCTION {tracked.function}()"
    before, after = f"BEFORE {_ANY} OR TRUNCATE", f"AFTER {_ANY}"
    return (
        CaptureTrigger("wsdash_gate", before, f"{statement} {gate}"),
        CaptureTrigger("wsdash_gate_replica", before, f"{statement} {_FOREIGN} {gate}", replica=True),
        CaptureTrigger("wsdash_log", after, f"{row} {log}", row=True),
        CaptureTrigger("wsdash_log_replica", after, f"{row} {_FOREIGN} {log}", replica=True, row=True),
        CaptureTrigger("wsdash_truncate", "AFTER TRUNCATE", f"{statement} {log}"),
        CaptureTrigger(
            "wsdash_truncate_replica", "AFTER TRUNCATE", f"{statement} {_FOREIGN} {log}", replica=True
        ),
    )


def create_log(tracked: Tracked) -> str:
    """The log: no index, since a btree on the transaction costs half as much again as the log itself."""
    columns = [
        f"{name} {column.type}" + (f" COLLATE {column.collation}" if column.collation else "")
        for name, column in zip(tracked.key_names, tracked.key, strict=True)
    ]
    return (
        f"CREATE TABLE {tracked.log} (xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(), "
        + ", ".join(['op "char" NOT NULL', *columns])
        + ") WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)"
    )


def open_functions(tracked: Sequence[Tracked]) -> str:
    """Gates that let writers pass unless the side is fenced, and functions that log; one message."""
    return "; ".join([_open_gate(), *(_log_function(one) for one in tracked)])


def closed_functions(tracked: Sequence[Tracked]) -> str:
    """Gates and log functions that refuse every write; one message."""
    names = [GATE, *(one.function for one in tracked)]
    return "; ".join(_function(name, _refuse("this database is closed: the service moved")) for name in names)


def _function(name: str, body: str, how: str = "") -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {how} "
        f"AS $wsdash$ BEGIN {body} END $wsdash$"
    )


def _refuse(message: str) -> str:
    return (
        f"RAISE EXCEPTION USING ERRCODE = {literal(REFUSAL)}, MESSAGE = {literal(message)}, "
        "HINT = 'nothing was written; retry in a moment';"
    )


def _open_gate() -> str:
    refuse = _refuse("this database is being closed: the service moves")
    return _function(
        GATE,
        f"IF NOT pg_catalog.pg_try_advisory_xact_lock_shared({FENCE}) THEN {refuse} END IF; RETURN NULL;",
    )


def _log_function(tracked: Tracked) -> str:
    insert = f"INSERT INTO {tracked.log} ({', '.join(('op', *tracked.key_names))}) VALUES"
    whole = f"INSERT INTO {tracked.log} (op) VALUES ('T');"
    how = f"SECURITY DEFINER {_PATH}"
    if tracked.keyless:
        return _function(tracked.function, f"{whole} RETURN NULL;", how)
    new, old = (", ".join(f"{row}.{ident(name)}" for name in tracked.table.key) for row in ("NEW", "OLD"))
    changed = " OR ".join(
        f"OLD.{ident(c.name)}{_as_text(c.type)} IS DISTINCT FROM NEW.{ident(c.name)}{_as_text(c.type)}"
        for c in tracked.key
    )
    body = (
        f"IF TG_OP = 'UPDATE' THEN IF {changed} THEN {insert} ('D', {old}), ('I', {new}); "
        f"ELSE {insert} ('U', {new}); END IF; "
        f"ELSIF TG_OP = 'INSERT' THEN {insert} ('I', {new}); "
        f"ELSIF TG_OP = 'DELETE' THEN {insert} ('D', {old}); "
        f"ELSE {whole} END IF; RETURN NULL;"
    )
    return _function(tracked.function, body, how)


def _as_text(sql_type: str) -> str:
    """Types of other schemas are compared as text: their operators are not in the fixed search_path."""
    return "::text" if "." in sql_type or '"' in sql_type else ""
