"""One reading of how grave a log line is, over the ways in which programs write it."""

from __future__ import annotations

import json

import pytest

from wsdash.model import LogLine
from wsdash.outside.severity import ERROR, PLAIN, WARNING, severity
from wsdash.tui.state import loglines
from wsdash.watch.pollers.logs import ErrorCounter

LINES = {
    # words of errors without a level
    "TypeError: Cannot read properties of undefined (reading 'id')": ERROR,
    "java.lang.NullPointerException: x": ERROR,
    "Traceback (most recent call last):": ERROR,
    "panic: runtime error: index out of range": ERROR,
    "thread 'main' panicked at src/main.rs:1:1": ERROR,
    "Error": ERROR,
    "error while reading from the socket": ERROR,
    "Uncaught exception in worker": ERROR,
    "duplicate_error while adding": ERROR,
    # JSON
    '{"level":"error"}': ERROR,
    '{"level":"error","msg":"boom"}': ERROR,
    '{"level":50,"time":1,"msg":"boom"}': ERROR,
    '{"level":60}': ERROR,
    '{"level":40,"msg":"slow"}': WARNING,
    '{"level":30,"msg":"error page served"}': PLAIN,
    '{"severity":"CRITICAL"}': ERROR,
    '{"level":"warn"}': WARNING,
    '{"level": "info", "message": "GET /items", "error": null}': PLAIN,
    '{"error":"no route"}': ERROR,
    '{"msg":"TypeError: x"}': ERROR,
    '{"status":200}': PLAIN,
    '{"level":"error"': ERROR,  # cut in the middle
    "{not json but ERROR": ERROR,
    # klog
    "E0923 10:15:30.123456       1 reflector.go:138] Failed to watch": ERROR,
    "F0923 10:15:30.123456       1 main.go:1] cannot": ERROR,
    "W0923 10:15:30.123456       1 main.go:1] slow": WARNING,
    "I0923 10:15:30.123456       1 main.go:1] error count 3": PLAIN,
    # logfmt
    'time="2026-11-29" level=error msg="x"': ERROR,
    "ts=1 level=warn msg=x": WARNING,
    'level=info msg="no error"': PLAIN,
    "level=fatal": ERROR,
    # brackets
    "2026/11/29 10:00:00 [error] 31#31: *1 open() failed": ERROR,
    "2026/11/29 10:00:00 [emerg] 1#1: bind() failed": ERROR,
    "[Warn] slow": WARNING,
    "[info] error handler registered": PLAIN,
    "2026-11-29T10:00:00Z <error> no": ERROR,
    # PostgreSQL, and names in capitals
    '2026-11-29 22:09:55.581 UTC [11415] PANIC:  could not open file "x"': ERROR,
    "2026-11-29 22:09:55.581 UTC [11411] LOG:  database system is shut down": PLAIN,
    'ERROR:  relation "x" does not exist at character 15': ERROR,
    "2026-11-29 22:09:55 UTC [1] FATAL:  password authentication failed": ERROR,
    "2026-11-29 22:09:55 UTC [1] WARNING:  there is no transaction": WARNING,
    "2026-11-29T10:00:00.1Z  INFO page_service: error budget fine": PLAIN,
    "2026-11-29T10:00:00.1Z ERROR pageserver: no tenant": ERROR,
    "2026-11-29T10:00:00.1Z  WARN safekeeper: lag": WARNING,
    # npm, and words at the beginning
    "npm ERR! code ELIFECYCLE": ERROR,
    "npm error code ENOENT": ERROR,
    "npm WARN deprecated x": WARNING,
    "error: no such file": ERROR,
    "warning: unused": WARNING,
    "fatal: not a repository": ERROR,
    # nothing wrong
    "all is well": PLAIN,
    "0 errors": PLAIN,
    "done, no errors": PLAIN,
    "errors: 0, retries: 2": PLAIN,
    "GET /api/errors 200": PLAIN,
    "the terrors of the night": PLAIN,
    "a terror": PLAIN,
    "error=null": PLAIN,
    "": PLAIN,
}


@pytest.mark.parametrize("text", LINES)
def test_a_line_is_as_grave_as_it_says(text: str) -> None:
    assert severity(text) == LINES[text]


@pytest.mark.parametrize("text", LINES)
def test_the_pane_and_the_error_rate_read_the_same(text: str) -> None:
    line = LogLine("api", 1.0, "stdout", text)
    assert loglines.severity(line) == LINES[text]
    assert ErrorCounter("api").counts(line) == (LINES[text] == ERROR)


def test_a_level_far_behind_is_no_level_yet_an_error_is_found_at_the_end_of_a_long_line() -> None:
    assert severity("x " * 20_000 + "ERROR") == ERROR
    assert severity("x " * 20_000 + "INFO") == PLAIN


def test_a_deep_record_is_read_without_a_fault() -> None:
    assert severity("[" * 5000) == PLAIN
    assert severity('{"a":' * 5000) == PLAIN
    assert severity(json.dumps({"level": {"deep": 1}, "msg": None})) == PLAIN
