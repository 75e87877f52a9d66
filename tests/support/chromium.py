"""A real headless Chromium, driven by its own protocol (Chrome DevTools)."""

from __future__ import annotations

import asyncio
import base64
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pyte

PROGRAM = shutil.which("chromium")
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
)


class Page:
    """One page: goes to an address, types, and tells what its terminal was sent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._screen = pyte.Screen(400, 150)
        self._stream = pyte.ByteStream(self._screen)
        self.asked_for: list[str] = []
        """Addresses of everything that the page wanted."""
        self.refused: list[str] = []
        """What the page's policy kept it from."""

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the protocol and its answer."""
        self._asked += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = answer
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        async with asyncio.timeout(30):
            return await answer

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        async for message in self._socket:
            said: dict[str, Any] = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said.get("result", {}))
            elif said["method"] == "Network.webSocketFrameReceived":
                frame = said["params"]["response"]
                if frame["opcode"] == 2:
                    self._stream.feed(base64.b64decode(frame["payloadData"]))
            elif said["method"] == "Network.requestWillBeSent":
                self.asked_for.append(said["params"]["request"]["url"])
            elif said["method"] == "Log.entryAdded":
                self.refused.append(said["params"]["entry"]["text"])

    async def go(self, address: str) -> None:
        """Open an address."""
        for part in ("Network", "Page", "Log"):
            await self.ask(f"{part}.enable")
        await self.ask("Page.navigate", url=address)

    def text(self) -> str:
        """What the page's terminal shows."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    async def words(self) -> str:
        """What stands on the page beside its terminal."""
        said = await self.ask("Runtime.evaluate", expression="document.body ? document.body.innerText : ''")
        return str(said["result"].get("value", ""))

    async def until(self, text: str, seconds: float = 60) -> None:
        """Return when the page's terminal shows `text`, or the page does that has none."""
        deadline = time.monotonic() + seconds
        while text not in self.text() and text not in await self.words():
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not shown; the page:\n{self.text()}")
            await asyncio.sleep(0.1)

    async def click(self, x: int, y: int) -> None:
        """A click there."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def press(self, key: str) -> None:
        """A key, as the keyboard gives it."""
        sign = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = {"Enter": 13, "Escape": 27}.get(key, ord(key[0].upper()))
        for kind in ("keyDown", "keyUp"):
            await self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **sign)

    async def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])


@asynccontextmanager
async def browser(directory: Path, width: int = 1200, height: int = 760) -> AsyncIterator[Page]:
    """A page of a new browser whose profile is in `directory`; it ends with its processes."""
    assert PROGRAM is not None
    argv = [
        *(PROGRAM, *QUIET, f"--user-data-dir={directory}", "--remote-debugging-port=0"),
        *(f"--window-size={width},{height}", "about:blank"),
    ]
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, stdout=nowhere, stderr=nowhere)
    try:
        port = await _port(directory / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session, asyncio.timeout(150):
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            socket = await session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            try:
                yield page
            finally:
                listening.cancel()
                await socket.close()
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def _port(file: Path) -> int:
    for _ in range(600):
        text = await asyncio.to_thread(lambda: file.read_text() if file.exists() else "")
        if "\n" in text:
            return int(text.split()[0])
        await asyncio.sleep(0.1)
    raise AssertionError("the browser did not start within a minute")
