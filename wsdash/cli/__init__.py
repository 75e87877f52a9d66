"""The commands: the only place that reads argv and prints."""

from __future__ import annotations

import sys

from wsdash.cli.printing import say
from wsdash.errors import WsdashError


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 failed, 2 bad input, 3 held by another, 130 interrupted.

    Every failure is told as what, where and remedy on standard error; no traceback reaches a user.
    """
    from wsdash.cli.arguments import parse

    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        code: int = arguments.command(arguments)
        return code
    except WsdashError as error:
        say(tell(error), error=True)
        return error.exit_code
    except KeyboardInterrupt:
        say("wsdash: interrupted; the state is saved, the same command goes on from here", error=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        where = f"\n  where:  {error.filename}" if error.filename else ""
        say(f"wsdash: {error.strerror or error}{where}", error=True)
        return 1


def tell(error: WsdashError) -> str:
    """An error as people read it: one line each for what, where and what to do."""
    lines = [f"wsdash: {error.what}"]
    if error.where:
        lines.append(f"  where:  {error.where}")
    if error.remedy:
        lines.append(f"  remedy: {error.remedy}")
    return "\n".join(lines)
