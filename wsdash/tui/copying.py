"""Copying selected text out of the terminal, over ssh and tmux too, and telling which ways were taken."""

from __future__ import annotations

import os

from wsdash.subprocesses import ProgramError, run_program

TMUX_SECONDS = 2.0


async def to_tmux(text: str) -> bool:
    """Put text into tmux's newest buffer and its clipboard; False outside tmux or when that fails."""
    if "TMUX" not in os.environ:
        return False
    argv = ("tmux", "load-buffer", "-w", "-")
    try:
        return (await run_program(argv, seconds=TMUX_SECONDS, data=text.encode())).code == 0
    except ProgramError:
        return False
