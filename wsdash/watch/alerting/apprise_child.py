"""Tells one message by apprise; run as a process of its own, so that it can be ended and holds no memory.

`python -m wsdash.watch.alerting.apprise_child VARIABLE` reads {"title", "text", "kind"} as JSON on its
standard input. VARIABLE names the environment variable that holds apprise's URL. Exit code 0: it was taken.
"""

from __future__ import annotations

import json
import logging
import os
import sys

MISSING = "apprise is not installed here: pip install 'wsdash[channels]'"


def main(variable: str) -> int:
    """The exit code; the reason when it is not 0 goes to standard error, without the URL."""
    try:
        from apprise import Apprise
    except ImportError:
        return _fail(MISSING)
    logging.disable()  # apprise's own words may hold parts of the URL
    url = os.environ.get(variable, "").strip()
    if not url:
        return _fail(f"the variable {variable} is not set")
    service = Apprise()
    if not service.add(url):
        return _fail(f"what the variable {variable} holds is no URL that apprise knows")
    message = json.load(sys.stdin)
    try:
        taken = service.notify(body=message["text"], title=message["title"], notify_type=message["kind"])
    except Exception as error:  # any plugin's; its text may hold the URL
        return _fail(f"it was not taken ({type(error).__name__})")
    return 0 if taken else _fail("it was not taken")


def _fail(why: str) -> int:
    sys.stderr.write(why + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
