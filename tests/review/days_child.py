"""`python -m tests.review.days_child DIRECTORY NAME`: an engine that migrates, and lives that fortnight."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.review.migrated import options
from wsdash.demo.days import ScriptedDays
from wsdash.demo.days.fortnight import FortnightScript
from wsdash.engine.process import serve

if __name__ == "__main__":
    _, made = options(Path(sys.argv[1]), source=ScriptedDays(FortnightScript(sys.argv[2])))
    sys.exit(asyncio.run(serve(made)))
