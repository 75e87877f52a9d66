"""Whether one API is clearly slower than another under the same load. Pure, so that screens may know it."""

from __future__ import annotations

from collections.abc import Sequence

from wsdash.model.items import LoadRung


def slower(new: Sequence[LoadRung], before: Sequence[LoadRung]) -> list[str]:
    """Where the new API is clearly slower than the old one was with as many clients; [] when nowhere.

    Half as slow again in the middle, or three times in the slowest twentieth: less is noise of short rungs.
    """
    was = {rung.clients: rung for rung in before if rung.requests}
    found = []
    for rung in new:
        old = was.get(rung.clients)
        if old is None or not rung.requests:
            continue
        for name, now, then, factor, floor in (
            ("p50", rung.p50, old.p50, 1.5, 0.005),
            ("p95", rung.p95, old.p95, 3.0, 0.02),
        ):
            if now > factor * then + floor:
                found.append(
                    f"{name} with {rung.clients} clients is {now * 1000:.1f} ms, it was {then * 1000:.1f} ms"
                )
    return found
