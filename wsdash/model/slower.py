"""Whether one API is clearly slower than another under the same load. Pure, so that screens may know it."""

from __future__ import annotations

from collections.abc import Sequence

from wsdash.model.checklist import LoadRung

FEWEST = 10
"""Answers of an endpoint, on both sides, without which its median says nothing."""
FEWEST_OF_P95 = 40


def slower(new: Sequence[LoadRung], before: Sequence[LoadRung]) -> list[str]:
    """Where the new API is clearly slower than the old one was with as many clients; [] when nowhere.

    Over all requests and for each endpoint by itself: the median by half and 5 ms, or five times and 1 ms;
    the slowest twentieth three times and 20 ms. Less is noise of short rungs. An endpoint that the old one
    answered and the new one never did is the slowest of all.
    """
    was = {rung.clients: rung for rung in before if rung.requests}
    found = []
    for rung in new:
        old = was.get(rung.clients)
        if old is None or not rung.requests:
            continue
        with_clients = f"with {rung.clients} clients"
        found += _beyond("p50", rung.p50, old.p50, with_clients)
        found += _beyond("p95", rung.p95, old.p95, with_clients)
        found += _endpoints(rung, old, with_clients)
    return found


def _endpoints(rung: LoadRung, old: LoadRung, with_clients: str) -> list[str]:
    now = {one.endpoint: one for one in rung.endpoints}
    found = []
    for before in old.endpoints:
        after = now.get(before.endpoint)
        if before.requests < FEWEST or not rung.endpoints:
            continue
        if after is None or not after.requests:
            found.append(f"{before.endpoint} {with_clients} gave no answer, it gave {before.requests}")
        elif after.requests >= FEWEST:
            where = f"of {before.endpoint} {with_clients}"
            found += _beyond("p50", after.p50, before.p50, where)
            if min(after.requests, before.requests) >= FEWEST_OF_P95:
                found += _beyond("p95", after.p95, before.p95, where)
    return found


def _beyond(name: str, now: float, then: float, where: str) -> list[str]:
    most = 3 * then + 0.02 if name == "p95" else min(1.5 * then + 0.005, 5 * then + 0.001)
    return [f"{name} {where} is {now * 1000:.1f} ms, it was {then * 1000:.1f} ms"] if now > most else []
