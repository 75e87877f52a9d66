"""The local counterpart of images: is a service's program there, and does it answer?"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from wsdash.demo.supervisor.service_spec import ServiceSpec
from wsdash.subprocesses import ProgramError, run_program

_TIMEOUT_SECONDS = 10.0


async def programs_present(specs: list[ServiceSpec]) -> dict[str, bool]:
    """Image -> whether the programs of all services of that image exist and answer --version."""
    answers = await asyncio.gather(*(_answers(spec) for spec in specs))
    present: dict[str, bool] = {}
    for spec, answer in zip(specs, answers, strict=True):
        present[spec.image] = present.get(spec.image, True) and answer
    return present


def find_program(word: str, path: str | None = None) -> str | None:
    """Where a program is, or None. path: a PATH to look along, ours when left out.

    A path is looked up as it is: whether we may run it only running it tells (shutil.which asks for the
    real user and forgets capabilities).
    """
    if "/" in word:
        return word if Path(word).exists() else None
    return shutil.which(word, path=path)


def _program(argv: tuple[str, ...]) -> tuple[str, ...]:
    """argv without the setpriv in front of it."""
    if Path(argv[0]).name == "setpriv" and "--" in argv:
        return argv[argv.index("--") + 1 :]
    return argv


async def _answers(spec: ServiceSpec) -> bool:
    argv = _program(spec.argv)
    program = find_program(argv[0]) if argv else None
    if program is None:
        return False
    words = [program, "--version"]
    if "-m" in argv[:-1] and Path(program).name.startswith("python"):
        module = argv[argv.index("-m") + 1]
        find = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
        words = [program, "-c", find, module]
    try:
        return (await run_program(words, seconds=_TIMEOUT_SECONDS, env=os.environ | spec.env)).code == 0
    except ProgramError:
        return False
