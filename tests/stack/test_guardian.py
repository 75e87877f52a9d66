"""The guardian's pipe: what is no message of the supervisor's costs no other service its end."""

from __future__ import annotations

import json
import signal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wsdash.demo.supervisor.guardian import LONGEST_MESSAGE, _take

MESSAGE = {"track": "api", "pid": 7, "mark": 1.5, "how": [int(signal.SIGTERM), 1.0, "owner"]}


@given(st.binary(max_size=300) | st.sampled_from([b"[" * 5000, b'{"track": 1, "pid": "x"}', b"[]", b"7"]))
def test_any_bytes_are_a_message_or_passed_over(line: bytes) -> None:
    tracked: dict[str, dict[str, Any]] = {}
    _take(json.dumps(MESSAGE).encode(), tracked)
    _take(line, tracked)
    assert tracked == {"api": MESSAGE}


def test_a_message_is_at_most_as_long_as_is_read() -> None:
    tracked: dict[str, dict[str, Any]] = {}
    _take(json.dumps(MESSAGE).encode(), tracked)
    _take(json.dumps({"untrack": "api", "x": "x" * LONGEST_MESSAGE}).encode(), tracked)
    assert tracked == {"api": MESSAGE}
    _take(json.dumps({"untrack": "api"}).encode(), tracked)
    assert tracked == {}
