"""The control stub's answers, in the shapes that the pageserver reads (its own sources' models)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.engine import unavailable
from tests.docker.world import TREE
from tests.support.servers import free_port

TENANT = "7d1c5f0a94e24b6c8a3f6e2b90d4c851"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[str]:
    """The stub on a free port, with a pageserver's directory of one tenant; its base URL."""
    if shutil.which("perl") is None:
        unavailable("these tests need perl")
    tenant = tmp_path / "tenants" / TENANT
    tenant.mkdir(parents=True)
    (tenant / "config-v1").write_text("[mode.Attached]\ngeneration = 3\nattach_mode = 'Single'\n")
    port = free_port()
    script = str(TREE / "compose/neon/control-stub.pl")
    process = subprocess.Popen(["perl", script, str(port), str(tmp_path)])
    try:
        deadline = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert time.monotonic() < deadline, "the stub does not listen"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


def test_every_generation_is_valid(stub: str) -> None:
    asked = {"tenants": [{"id": TENANT, "gen": 3}, {"id": f"{TENANT}-0102", "gen": 1}]}
    assert post(f"{stub}/validate", asked) == {
        "tenants": [{"id": TENANT, "valid": True}, {"id": f"{TENANT}-0102", "valid": True}]
    }


def test_nothing_asked_is_nothing_answered(stub: str) -> None:
    assert post(f"{stub}/validate", {"tenants": []}) == {"tenants": []}


def test_a_pageserver_is_given_back_its_tenants_at_their_last_generation(stub: str) -> None:
    assert post(f"{stub}/re-attach", {"node_id": 1234}) == {
        "tenants": [{"id": TENANT, "gen": 3, "mode": "AttachedSingle", "stripe_size": 32768}]
    }


def test_what_it_does_not_know_is_refused_and_it_goes_on(stub: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        post(f"{stub}/elsewhere", {})
    assert post(f"{stub}/validate", {"tenants": []}) == {"tenants": []}


def test_a_client_that_says_nothing_and_leaves_does_no_harm(stub: str) -> None:
    port = int(stub.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)):
        pass
    assert post(f"{stub}/validate", {"tenants": []}) == {"tenants": []}
