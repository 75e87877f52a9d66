"""What the embedded world runs, as its services file describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsdash.demo.world.ports import Ports
from wsdash.demo.world.services import RELAY, TRAFFIC, DemoWorld, services_file


def _services(*, online: bool) -> dict[str, Any]:
    world = DemoWorld(Path("/world"), Ports().moved(100), 1, 5.0, online=online)
    return {service["name"]: service for service in services_file(world)["services"]}


def test_traffic_knows_the_new_api_only_where_the_side_that_is_closed_refuses_it() -> None:
    """In an offline move the new database takes writes before the rows are there."""
    old, new = "http://127.0.0.1:3301", "http://127.0.0.1:3300"
    for online, expected in ((False, [old]), (True, [old, new])):
        argv = _services(online=online)[TRAFFIC]["argv"]
        assert [argv[place + 1] for place, word in enumerate(argv) if word == "--api"] == expected


def test_only_an_online_world_has_a_relay_and_it_takes_the_old_apis_port() -> None:
    assert RELAY not in _services(online=False)
    services = _services(online=True)
    assert services[RELAY]["ports"] == services["apps-workspace"]["ports"] == [3301]
