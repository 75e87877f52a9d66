"""The engine of an online run whose switch tells each stage and waits for a line, to be killed there.

python -m tests.e2e.online_engine STATE CONFIG [rollback]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wsdash.engine.process import EngineOptions, serve
from wsdash.steps.online.switch import SwitchWrites
from wsdash.steps.registry import all_steps


async def _at(stage: str) -> None:
    print(f"at {stage}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main() -> int:
    """Run the plan, or roll back, to the end."""
    back = sys.argv[3:] == ["rollback"]
    switch = SwitchWrites(_at)
    options = EngineOptions(
        state=Path(sys.argv[1]),
        config=Path(sys.argv[2]),
        mode="online",
        auto=not back,
        yes=True,
        rollback=back,
        exit_when_done=True,
        steps=all_steps("online") | {switch.id: switch},
        watch=False,
    )
    return asyncio.run(serve(options))


if __name__ == "__main__":
    sys.exit(main())
