"""The team is told by a webhook or a command, once, and never with the webhook's URL in sight."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.steps.support import context
from tests.support.servers import free_port
from wsdash.config import NotifySettings
from wsdash.errors import InputError, WsdashError
from wsdash.steps.publishing import NotifyTeam


class Webhook:
    """A webhook's receiving end."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.status = 200
        self.url = ""


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()

    async def receive(request: web.Request) -> web.Response:
        hook.received.append(await request.json())
        return web.Response(status=hook.status)

    app = web.Application()
    app.router.add_post("/secret-token", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    hook.url = f"http://127.0.0.1:{port}/secret-token"
    yield hook
    await runner.cleanup()


async def test_the_webhook_gets_the_message_and_the_item_holds(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_HOOK", webhook.url)
    ctx, _ = context(tmp_path, notify=NotifySettings(webhook_env="TEAM_HOOK"))
    step = NotifyTeam()
    assert not (await step.check(ctx)).holds
    await step.act(ctx)
    assert "Maintenance" in webhook.received[0]["text"]
    evidence = await step.check(ctx)
    assert evidence.holds
    assert "secret-token" not in evidence.text


async def test_acting_twice_tells_the_team_once(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_HOOK", webhook.url)
    ctx, _ = context(tmp_path, notify=NotifySettings(webhook_env="TEAM_HOOK"))
    await NotifyTeam().act(ctx)
    await NotifyTeam().act(ctx)
    assert len(webhook.received) == 1


async def test_a_refusing_webhook_is_a_failure_that_hides_its_url(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook.status = 500
    monkeypatch.setenv("TEAM_HOOK", webhook.url)
    ctx, _ = context(tmp_path, notify=NotifySettings(webhook_env="TEAM_HOOK"))
    with pytest.raises(WsdashError, match="500") as error:
        await NotifyTeam().act(ctx)
    assert "secret-token" not in str(error.value)
    assert not (await NotifyTeam().check(ctx)).holds


async def test_a_webhook_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path, notify=NotifySettings(webhook_env="NO_SUCH_HOOK"))
    with pytest.raises(InputError, match="NO_SUCH_HOOK"):
        await NotifyTeam().act(ctx)


async def test_the_command_gets_the_message_on_its_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "told"
    script = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    ctx, _ = context(tmp_path, notify=NotifySettings(command=(sys.executable, "-c", script)))
    await NotifyTeam().act(ctx)
    assert "Maintenance" in out.read_text()
    assert (await NotifyTeam().check(ctx)).holds


async def test_a_failing_command_is_told_with_its_own_words(tmp_path: Path) -> None:
    script = "import sys; sys.exit('no such channel')"
    ctx, _ = context(tmp_path, notify=NotifySettings(command=(sys.executable, "-c", script)))
    with pytest.raises(WsdashError, match="no such channel"):
        await NotifyTeam().act(ctx)
