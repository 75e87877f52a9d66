"""Copying selected text out of the terminal, over ssh and tmux too, and telling which ways were taken."""

from __future__ import annotations

import asyncio
import os

TMUX_SECONDS = 2.0


async def to_tmux(text: str) -> bool:
    """Put text into tmux's newest buffer and its clipboard; False outside tmux or when that fails."""
    if "TMUX" not in os.environ:
        return False
    try:
        async with asyncio.timeout(TMUX_SECONDS):
            process = await asyncio.create_subprocess_exec(
                "tmux",
                "load-buffer",
                "-w",
                "-",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await process.communicate(text.encode())
    except (OSError, TimeoutError):
        return False
    return process.returncode == 0
