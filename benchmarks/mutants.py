"""How many mutants of a sample the tests kill: python benchmarks/mutants.py --count 300 --workers 2 OUT.jsonl

Cosmic Ray (8.7, not a dependency: `pip install cosmic-ray`) lists every mutant of `data`, `engine` and
`timeline`; a seeded sample is applied one by one in clones of this repository. Left out is what changes no
behaviour: annotations, the arguments of @dataclass, and the values in `limits.py`. A mutant is tried on the
test files that import its module, the most specific first, and, when it survives those, on the files that
import what imports it. Killed: a test fails, or the tests do not end in time. One JSON line a mutant: its
place, operator and diff, the outcome, the test that failed, the files that were run, seconds. A run that
was broken off goes on where it was, with the same --session and OUT. The sample's order is drawn, so its
beginning is a sample too.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import queue
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("wsdash/data", "wsdash/engine", "wsdash/timeline")
TRIED_ON = ("tests/data", "tests/engine", "tests/timeline", "tests/review", "tests/steps", "tests/cli")
FILES = 14
"""The most test files of one attempt."""
SECONDS = (240.0, 420.0)
"""The time limit of the tests that import the module, and of those that import what imports it."""


@dataclass(frozen=True)
class Mutant:
    """One change. line: from 1; column: from 0; occurrence: the how many-th of its operator in the module."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int


def main() -> int:
    """Try the sample; print how many were killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--session", type=Path, help="a session that Cosmic Ray made before")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wsdash-mutants-") as directory:
        session = given.session or new_session(Path(directory))
        waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        tried = tried_before(given.out)
        outcomes = list(tried.values())
        for mutant in sample(session, given.count, given.seed):
            if mutant not in tried:
                waiting.put(mutant)
        workers = [
            threading.Thread(
                target=work, args=(Path(directory) / f"w{number}", number, waiting, given.out, outcomes)
            )
            for number in range(given.workers)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    killed, counted = outcomes.count("killed"), len(outcomes) - outcomes.count("no Python")
    print(f"{killed} of {counted} killed ({killed / max(1, counted):.0%})")
    return 0


def tried_before(out: Path) -> dict[Mutant, str]:
    """What an earlier run on the same file came to."""
    found = {}
    for line in out.read_text().splitlines() if out.exists() else []:
        read = json.loads(line)
        found[Mutant(*(read[field.name] for field in fields(Mutant)))] = str(read["outcome"])
    return found


def new_session(directory: Path) -> Path:
    """Let Cosmic Ray list every mutant."""
    config, session = directory / "mutants.toml", directory / "mutants.sqlite"
    config.write_text(
        f"[cosmic-ray]\nmodule-path = {json.dumps(ROOMS)}\ntimeout = 10.0\nexcluded-modules = []\n"
        'test-command = "true"\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    subprocess.run(["cosmic-ray", "init", config, session], cwd=ROOT, check=True)
    return session


def sample(session: Path, count: int, seed: int) -> list[Mutant]:
    """So many places drawn by the seed, and one mutant of each."""
    columns = "module_path, operator_name, occurrence, start_pos_row, start_pos_col"
    with sqlite3.connect(session) as file:
        rows = file.execute(f"SELECT {columns} FROM mutation_specs ORDER BY {columns}")
        every = [Mutant(*row) for row in rows]
    quiet: dict[str, list[tuple[int, int, int, int]]] = {}
    places: dict[tuple[str, int, int], list[Mutant]] = {}
    for one in every:
        spans = quiet.setdefault(one.module, without_behaviour(ROOT / one.module))
        inside = any((a, b) <= (one.line, one.column) < (c, d) for a, b, c, d in spans)
        if not inside and not one.module.endswith("limits.py"):
            places.setdefault((one.module, one.line, one.column), []).append(one)
    drawn = random.Random(seed)
    chosen = drawn.sample(sorted(places), count)
    return [drawn.choice(places[place]) for place in chosen]


def without_behaviour(path: Path) -> list[tuple[int, int, int, int]]:
    """Where a change changes nothing that runs: annotations, and decorators of classes."""
    spans = []
    for node in ast.walk(ast.parse(path.read_text())):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        for part in parts:
            if part is not None:
                end = part.end_lineno or 0, part.end_col_offset or 0
                spans.append((part.lineno, part.col_offset, *end))
    return spans


def work(
    clone: Path, number: int, waiting: queue.SimpleQueue[Mutant], out: Path, outcomes: list[str]
) -> None:
    """Try mutants in a clone until none waits."""
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    every = [path for top in ("wsdash", *TRIED_ON) for path in (clone / top).rglob("*.py")]
    imports = {path: imported(path, clone) for path in every}
    while True:
        try:
            mutant = waiting.get_nowait()
        except queue.Empty:
            return
        began = time.monotonic()
        change = ["cosmic-ray", "apply", mutant.module, mutant.operator, str(mutant.occurrence)]
        subprocess.run(change, cwd=clone, check=True)
        diff = subprocess.run(["git", "diff", "-U0"], cwd=clone, check=True, capture_output=True, text=True)
        outcome, by, files = "no Python", "", list[str]()
        if is_python(clone / mutant.module):
            by, files = judged(clone, number, mutant, imports)
            outcome = "killed" if by else "survived"
        subprocess.run(["git", "checkout", "-q", "."], cwd=clone, check=True)
        outcomes.append(outcome)
        seconds = round(time.monotonic() - began)
        line = {**vars(mutant), "outcome": outcome, "by": by, "files": files, "seconds": seconds}
        with out.open("a") as file:
            file.write(json.dumps({**line, "diff": diff.stdout}) + "\n")
        print(f"{len(outcomes):4} {outcome:8} {mutant.module}:{mutant.line} {mutant.operator}", flush=True)


def is_python(path: Path) -> bool:
    """Whether it can be compiled: some mutants of a signature's bare * cannot."""
    try:
        compile(path.read_text(), path, "exec")
    except SyntaxError:
        return False
    return True


def imported(path: Path, clone: Path) -> set[str]:
    """The modules of wsdash that a file names in an import or in a text, itself or in the tests' helpers that
    it imports."""
    names: set[str] = set()
    seen, waiting = {path}, [path]
    while waiting:
        text = waiting.pop().read_text()
        names |= set(re.findall(r"\bwsdash(?:\.\w+)+", text))
        for module in re.findall(r"^from (tests(?:\.\w+)+) import", text, re.M):
            helper = clone.joinpath(*module.split(".")).with_suffix(".py")
            if helper.exists() and helper not in seen:
                seen.add(helper)
                waiting.append(helper)
    return names


def judged(clone: Path, number: int, mutant: Mutant, imports: dict[Path, set[str]]) -> tuple[str, list[str]]:
    """The test that kills it ('' where none does), and the test files that were run."""
    module = mutant.module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    reached = {module}
    ran: list[str] = []
    for limit in SECONDS:
        tests = sorted(
            (len(names), path)
            for path, names in imports.items()
            if path.name.startswith("test_") and any(within(name, reached) for name in names)
        )
        found = [str(path.relative_to(clone)) for _, path in tests]
        files = [file for file in found if file not in ran][:FILES]
        by = failing(clone, number, files, limit) if files else ""
        if by:
            return by, [*ran, *files]
        ran += files
        reached |= {
            ".".join(path.relative_to(clone).with_suffix("").parts)
            for path, names in imports.items()
            if module in names and clone / "wsdash" in path.parents
        }
    return "", ran


def within(name: str, modules: set[str]) -> bool:
    """Whether a dotted name is one of the modules or something in one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def failing(clone: Path, number: int, files: list[str], limit: float) -> str:
    """The first test of these files that fails, or that they overran so many seconds; '' where all pass."""
    environment = {**os.environ, "PYTHONPATH": str(clone), "WSDASH_TEST_OFFSET": str(5000 + 2000 * number)}
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", *files]
    with subprocess.Popen(
        command, cwd=clone, env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    ) as tests:
        try:
            output, _ = tests.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(tests.pid, signal.SIGKILL)
            return "not in time"
        if tests.returncode == 0:
            return ""
        named = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
        return named[1] if named else "no test could be run"


if __name__ == "__main__":
    sys.exit(main())
