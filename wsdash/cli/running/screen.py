"""run, monitor and the demo's screen: an engine of its own process, and a screen that shows it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from wsdash.cli.places import config_of, demo_mode, found_state, living_engine, own_state
from wsdash.cli.printing import say
from wsdash.config import ENV_PREFIX, load_settings
from wsdash.engine.journal.store import FILE as JOURNAL
from wsdash.engine.operator.control import ControlClient
from wsdash.engine.operator.launch import engine_alive, planned_mode, spawn_engine
from wsdash.engine.operator.lock import OperatorLock
from wsdash.errors import InputError
from wsdash.plan import load_plan
from wsdash.runtime import default_state, remember_current, user_config_directory, world_config

ADR = "adr-007-workspace-neon-migration.md"


def run(arguments: argparse.Namespace) -> int:
    """`wsdash run`: attach to the run that is going on, or take it up."""
    _need_configuration(arguments)
    state = own_state(arguments)
    living_engine(arguments, state)
    config = config_of(arguments, state)
    settings = load_settings(config)
    words = ["--state", str(state)]
    if arguments.mode:
        words += ["--mode", arguments.mode]
    if arguments.config is not None:
        words += ["--config", str(arguments.config.absolute())]
    adr = Path(settings.paths.adr)
    return operate(
        state, words, config, {"review-adr": adr} if settings.paths.adr else {}, arguments.take_over
    )


def _need_configuration(arguments: argparse.Namespace) -> None:
    """Raises InputError where nobody has said yet what is to be moved: nothing is started then."""
    configured = any(name.startswith(ENV_PREFIX) for name in os.environ)
    state: Path = (arguments.state or default_state()).absolute()
    begun = (state / JOURNAL).exists()
    if not configured and not begun and config_of(arguments, state) is None:
        raise InputError(
            "there is no configuration yet, so nothing was started",
            where=str(user_config_directory()),
            remedy="`wsdash demo` shows a whole migration on this machine; `wsdash init` writes a "
            "configuration for yours; --config DIR names one",
        )


def demo_screen(arguments: argparse.Namespace, state: Path) -> int:
    """`wsdash demo` with a screen: the engine builds the world while the screen shows it."""
    import wsdash.demo.world

    words = ["--demo", "--state", str(state)]
    for name in ("items", "seed", "writes-per-second", "api"):
        if (value := getattr(arguments, name.replace("-", "_"))) is not None:
            words += [f"--{name}", str(value)]
    words += ["--mode", demo_mode(arguments, state)]
    if arguments.port_offset is not None:
        words += ["--port-offset", str(arguments.port_offset)]
    if arguments.fortnight:
        words += ["--fortnight", arguments.fortnight, "--time-scale", str(arguments.time_scale)]
    words += [f"--{name}" for name in ("auto", "keep", "yes", "force") if getattr(arguments, name)]
    adr = Path(wsdash.demo.world.__file__).parent / ADR
    code = operate(state, words, None, {"review-adr": adr}, False)
    if arguments.report is not None:
        from wsdash.review.report.build import write_report

        write_report(state, arguments.report)
    return code


def operate(
    state: Path, words: list[str], config: Path | None, documents: dict[str, Path], take_over: bool
) -> int:
    """The operator's screen on `state`; its engine is started when none is alive.

    Raises LockHeldError when another operator's screen is open on it.
    """
    need_terminal()
    with ExitStack() as held:
        held.enter_context(OperatorLock.held(state / "screen", take_over=take_over, purpose="screen"))
        remember_current(state)
        from wsdash.tui.app import WsdashApp
        from wsdash.tui.feeds.journal_feed import JournalFeed
        from wsdash.tui.terminal import Attention

        settings = load_settings(config)
        app = WsdashApp(
            state,
            "operator",
            ControlClient(state),
            JournalFeed(state),
            load_plan(config).in_mode(planned_mode(state, settings, _mode(words))),
            documents,
            starting=_starter(state, words),
            attention=Attention(settings.alerts.bell, settings.alerts.desktop),
            finishing=_finishing(state, config),
            keys=settings.screen.keys,
        )
        left = app.run()
    if app.failure:
        say(f"wsdash: {app.failure}", error=True)
    again = "wsdash demo" if "--demo" in words else "wsdash run"
    if engine_alive(state) is not None and left != "stopped":
        say(f"The engine goes on. Look again with `{again} --state {state}`, or `wsdash monitor`.")
    else:
        say(f"The run is saved. Go on with `{again} --state {state}`.")
    return 1 if app.failure else 0


def _mode(words: list[str]) -> str:
    """The mode that an engine of these words is asked for, '' where none is."""
    return words[words.index("--mode") + 1] if "--mode" in words else ""


def _finishing(state: Path, config: Path | None) -> Callable[[], list[str]]:
    def configured() -> list[str]:
        from wsdash.review.finish import finishing

        known = config or world_config(state)  # a demo's world is made after its screen
        return finishing(state, load_settings(known), known).lines

    return configured


def _starter(state: Path, words: list[str]) -> Callable[[], Awaitable[None]]:
    async def start() -> None:
        if engine_alive(state) is None:
            await spawn_engine([sys.executable, "-m", "wsdash", "engine", *words], state, os.environ)

    return start


def monitor(arguments: argparse.Namespace) -> int:
    """`wsdash monitor`: follow the newest run, or the world itself while no engine is alive."""
    need_terminal()
    state = found_state(arguments)
    config = config_of(arguments, state)
    from wsdash.tui.app import WsdashApp
    from wsdash.tui.feeds.memory_feed import Emit, MemoryFeed, OnLog

    async def watch(emit: Emit, on_log: OnLog) -> None:
        from wsdash.engine.observe import clock_at_rest, observe

        found = config if config is not None or state is None else config_of(arguments, state)
        await observe(load_settings(found), emit, on_log, clock=clock_at_rest(state), state=state)

    settings = load_settings(config)
    keys = settings.screen.keys
    plan = load_plan(config).in_mode(planned_mode(state, settings))
    app = WsdashApp(state, "monitor", None, MemoryFeed(watch, state), plan, keys=keys)
    app.run()
    if app.failure:
        say(f"wsdash: {app.failure}", error=True)
    return 1 if app.failure else 0


def need_terminal() -> None:
    """Raises InputError when there is no terminal to draw on; a browser's page is one."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return
    if os.environ.get("TERM") == "dumb":
        raise InputError(
            "this terminal cannot draw a screen",
            where="variable TERM=dumb",
            remedy="`wsdash status --watch` tells each change in a line; --headless runs the demo",
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(
            "there is no terminal for a screen",
            where="standard input and output",
            remedy="run it in a terminal, or use --headless (demo) or `wsdash migrate`",
        )
