"""Settings that change what SQL, rows or text mean, and the values that every session of ours has.

A database or a role may carry any of them (ALTER DATABASE ... SET, ALTER ROLE ... SET), on either side. Their
meaning: PostgreSQL's manual, chapter 19 (server configuration). pg_dump fixes a part of them, for the same
reason.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from wsdash.data.limits import ANSWER_SECONDS
from wsdash.data.pg.quoting import literal

FIXED_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "default_transaction_read_only": "off",
}
"""What every supported server knows: sent while connecting, so that no statement runs without it. The text
form of a row depends on these; both sides must agree."""

KNOWN_BY_SOME = {
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "check_function_bodies": "on",
    "createrole_self_grant": "",  # 16 and later
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "default_toast_compression": "pglz",
    "default_with_oids": "off",  # before 12
    "escape_string_warning": "on",
    "exit_on_error": "off",
    "gin_fuzzy_search_limit": "0",
    "icu_validation_level": "warning",  # 16 and later
    "jit": "off",
    "lc_numeric": "C",
    "lc_time": "C",
    "quote_all_identifiers": "off",
    "restrict_nonsystem_relation_kind": "",
    "row_security": "on",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",
    "temp_tablespaces": "",
    "timezone_abbreviations": "Default",
    "transaction_timeout": "0",  # 17 and later
    "transform_null_equals": "off",
    "xmloption": "content",
}
"""Set right after connecting, where the server knows them: an unknown name would end the session."""

PRIVILEGED = {
    "ignore_checksum_failure": "off",
    "lc_messages": "C",
    "session_replication_role": "origin",
    "temp_file_limit": "-1",
    "zero_damaged_pages": "off",
}
"""As KNOWN_BY_SOME, where the role may set them; where it may not, whoever set them did so on purpose."""

_FIX = """
SELECT pg_catalog.pg_backend_pid() AS pid, (
  SELECT count(pg_catalog.set_config(w.name, w.value, false))
  FROM unnest($1::text[], $2::text[]) w(name, value)
  WHERE pg_catalog.current_setting(w.name, true) <> w.value AND (w.name <> ALL ($3::text[]) OR {may_set})
) AS changed
"""
_MAY_SET = "pg_catalog.current_setting('is_superuser') = 'on'"
_MAY_SET_SINCE_15 = f"{_MAY_SET} OR pg_catalog.has_parameter_privilege(w.name, 'SET')"


async def set_settings(conn: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    """Give an open session settings, values as in a startup message: SET would take a list of schemas for
    the name of one. Raises asyncpg.PostgresError.
    """
    wanted = ", ".join(
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, false)" for name, value in settings.items()
    )
    await conn.execute(f"SELECT {wanted}", timeout=ANSWER_SECONDS)


async def fix_settings(conn: asyncpg.Connection, own: Mapping[str, str]) -> int:
    """Give a new session the settings that only some servers know; the pid of the process that answers.

    own: settings that the session was given on purpose; these stay. Raises asyncpg.PostgresError.
    """
    wanted = {name: value for name, value in (KNOWN_BY_SOME | PRIVILEGED).items() if name not in own}
    may_set = _MAY_SET_SINCE_15 if conn.get_server_version() >= (15,) else _MAY_SET
    row = await conn.fetchrow(
        _FIX.format(may_set=may_set),
        list(wanted),
        list(wanted.values()),
        list(PRIVILEGED),
        timeout=ANSWER_SECONDS,
    )
    return 0 if row is None else int(row["pid"])
