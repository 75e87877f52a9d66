"""The commands: the only place that reads argv and prints."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

from wsdash.cli.printing import say, tell
from wsdash.errors import InputError, WsdashError, system_failure

GARBAGE_AFTER = 20_000
"""So many more objects than were let go before cycles among them are looked for. Python's 700 means some
hundred looks while the screen starts, at objects that all stay, and several for each of its frames."""


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 failed, 2 bad input, 3 held by another, 130 interrupted.

    Every failure is described by what, where and remedy on standard error; no traceback reaches a user. What
    no command foresaw becomes one sentence, its traceback goes into a private file.
    """
    gc.set_threshold(GARBAGE_AFTER)
    state: Path | None = None
    try:
        from wsdash.cli.arguments import parse
        from wsdash.cli.printing import catch_background_failures

        arguments = parse(sys.argv[1:] if argv is None else argv)
        state = arguments.state
        catch_background_failures(arguments)
        code: int = arguments.command(arguments)
        return code
    except WsdashError as error:
        return _failed(tell(error), error.exit_code)
    except KeyboardInterrupt:
        return _failed("wsdash: interrupted; the state is saved, the same command goes on from here", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        gone = _no_directory() if error.filename is None else None
        known: WsdashError = gone or system_failure(error, state or "")
        return _failed(tell(known), known.exit_code)
    except SystemExit:
        raise
    except BaseException as error:
        from wsdash.cli.printing import tell_unforeseen

        tell_unforeseen(error, state)
        return 1


def _no_directory() -> InputError | None:
    """The reason why no relative path means anything, when that is so."""
    try:
        os.getcwd()
    except FileNotFoundError:
        remedy = "go to a directory that exists (cd), then run the command again"
        return InputError("the directory that this shell was in is gone", remedy=remedy)
    return None


def _failed(sentence: str, code: int) -> int:
    with suppress(OSError, ValueError):  # the terminal is gone, or the stream is closed
        say(sentence, error=True)
    return code
