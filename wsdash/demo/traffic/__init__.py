"""Users of the workspace API, who keep a ledger of the answers they got, and the judgement over it.

`python -m wsdash.demo.traffic --api URL [--api URL] --writes-per-second W --directory DIR` works until
SIGTERM, in a process of its own that outlives any engine. `tally.json` in DIR is written every second,
`ledger-RUN.json` at its end.

- ledger: what was acknowledged, refused and unknown, row by row, and the files.
- crowd: the clients.
- judge: a ledger and a database, row by row.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def traffic_for(
    apis: Sequence[str],
    writes_per_second: float,
    seed: int,
    directory: Path,
    *,
    own_addresses: bool = False,
) -> list[str]:
    """The command line of traffic on these addresses, the usual one first; its files go to `directory`.

    Two addresses only where both may be written to at any time: the online move, whose closed side refuses.
    """
    where = [word for api in apis for word in ("--api", api)]
    rate = ["--writes-per-second", f"{writes_per_second:g}", "--seed", str(seed)]
    more = ["--own-addresses"] if own_addresses else []
    program = [sys.executable, "-m", "wsdash.demo.traffic"]
    return [*program, *where, *rate, "--directory", str(directory), *more]
