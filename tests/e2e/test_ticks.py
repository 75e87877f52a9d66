"""A migration without a screen: people confirm, skip and verify on the command line."""

from __future__ import annotations

import json

from tests.support.world import World


def test_a_person_confirms_and_skips_without_a_screen_and_verifies(world: World) -> None:
    run = world.program.run
    waiting = run("migrate")
    assert waiting.returncode == 1
    assert "review-adr, notify-team wait for a person" in waiting.stdout
    assert run("confirm", "review-adr", "--who", "Ana", "--note", "read it twice").returncode == 0
    refused = run("confirm", "backup", "--who", "Ana")
    assert refused.returncode == 2
    assert "is automatic" in refused.stderr
    assert run("skip", "notify-team", "--who", "Ana", "--why", "everybody sleeps").returncode == 0
    done = run("migrate", "--until", "verify-data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("verify").returncode == 0
    world.target("update workspace.workspace_items set title = 'wrong' where category = 'dashboard'")
    found = run("verify", "--json")
    assert found.returncode == 1
    tables = {row["name"]: row for row in json.loads(found.stdout)["tables"]}
    assert tables["workspace.workspace_items"]["verdict"] == "differs"
    assert "'wrong'" in tables["workspace.workspace_items"]["differences"][0]
    status = json.loads(run("status", "--json").stdout)
    said = {item["id"]: item["evidence"] for item in status["items"]}
    assert said["review-adr"] == "confirmed by Ana: read it twice"
    assert said["notify-team"] == "skipped by Ana: everybody sleeps"
