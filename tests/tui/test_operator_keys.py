"""Each key of the operator's screen, and the exact intent that reaches the real control socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from tests.tui.support import Stage, differing, done, evidence_text, halfway, stage, started
from wsdash.model import PAUSE_JOBS, Intent, ItemChanged, ItemState, JobsAsked, PauseChanged
from wsdash.runtime import user_name
from wsdash.tui.dialogs.document import DocumentScreen
from wsdash.tui.dialogs.questions import AnswerDialog, LeaveDialog, SignDialog, TypedDialog
from wsdash.tui.panels.evidence import AgainDialog, EvidencePanel
from wsdash.tui.panels.timeline import TimelinePanel


async def choose(on: Stage, item: str) -> None:
    on.app.main.checklist.select(item)
    await on.pilot.pause()


async def type_in(on: Stage, selector: str, text: str) -> None:
    field = on.app.screen.query_one(selector)
    field.focus()
    await on.pilot.press("end", *["backspace"] * 20, *text)


async def test_enter_runs_the_selected_item(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "ports-free")
        await on.press("enter")
        assert on.intents == [Intent("run-item", item="ports-free")]


async def test_a_double_click_is_enter(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await on.click_item("ports-free", times=2)
        await on.app.workers.wait_for_complete()
        assert on.intents == [Intent("run-item", item="ports-free")]


async def test_a_runs_all_that_is_automatic(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await on.press("a")
        assert on.intents == [Intent("run-auto")]


async def test_p_pauses_and_then_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("p")
        await on.emit(PauseChanged(True, "ana"))
        await on.press("p")
        assert on.intents == [Intent("pause", who=user_name()), Intent("resume", who=user_name())]


async def test_r_retries_the_failed_item_wherever_the_cursor_is(tmp_path: Path) -> None:
    async with stage(tmp_path, *differing()) as on:
        await choose(on, "backup")
        await on.press("r")
        assert on.intents == [Intent("retry", item="verify-data")]


async def test_r_prefers_the_selected_failed_item(tmp_path: Path) -> None:
    second = ItemChanged("test-api", ItemState.FAILED, "500")
    async with stage(tmp_path, *differing(), second) as on:
        await choose(on, "test-api")
        await on.press("r")
        assert on.intents == [Intent("retry", item="test-api")]


async def test_enter_on_a_done_item_opens_its_evidence_and_runs_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), *done("backup", "10 000 rows saved")) as on:
        await choose(on, "backup")
        await on.press("enter")
        assert isinstance(on.app.screen, EvidencePanel)
        assert "10 000 rows saved" in on.text()
        await on.press("enter")
        assert len(on.app.screen_stack) == 1
        assert on.intents == []


async def test_a_double_click_on_a_done_item_runs_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), *done("ports-free")) as on:
        await on.click_item("ports-free", times=2)
        await on.app.workers.wait_for_complete()
        assert isinstance(on.app.screen, EvidencePanel)
        assert on.intents == []


@pytest.mark.parametrize("keys", [("r",), ("enter", "r")])
async def test_running_a_done_item_again_is_a_choice_with_its_consequences(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    events = [event for name in ("stop-old", "start-stack", "init-neon") for event in done(name)]
    async with stage(tmp_path, started(), *events) as on:
        await choose(on, "init-neon")
        await on.press(*keys)
        assert isinstance(on.app.screen, AgainDialog)
        told = str(on.app.screen.query_one(".text", Static).render())
        assert "set back: stop-old, start-stack, init-neon" in told
        await on.press("enter")  # the harmless answer has the focus
        assert len(on.app.screen_stack) == 1
        assert on.intents == []
        await on.press(*keys)
        await on.press("right", "enter")
        assert on.intents == [Intent("run-item", item="init-neon")]


async def test_enter_on_the_review_of_day_7_opens_the_days(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "go-no-go")
        await on.press("enter")
        assert isinstance(on.app.screen, TimelinePanel)


async def test_rolling_back_wants_the_word_and_shows_what_will_be_undone_in_order(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), *done("stop-old"), *done("start-stack"), *done("init-neon")) as on:
        await on.press("R")
        assert isinstance(on.app.screen, TypedDialog)
        shown = on.text()
        places = [shown.index(name) for name in ("init-neon:", "start-stack:", "stop-old:")]
        assert places == sorted(places)
        assert "migrate-data:" not in shown
        await on.press(*"ROLLBAC", "enter")
        assert on.intents == []
        await on.press("K", "enter")
        assert on.intents == [Intent("rollback", who=user_name(), phrase="ROLLBACK")]


async def test_a_rollback_can_be_cancelled(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("R", "escape")
        assert on.app.screen is on.app.main
        assert on.intents == []


async def test_enter_on_a_confirm_item_asks_for_name_and_note(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "notify-team")
        await on.press("enter")
        assert isinstance(on.app.screen, SignDialog)
        await type_in(on, "#who", "ana")
        await type_in(on, "#note", "told all")
        await on.press("enter")
        assert on.intents == [Intent("confirm", item="notify-team", who="ana", note="told all")]


async def test_a_confirmation_without_a_name_is_not_sent(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "notify-team")
        await on.press("enter")
        await type_in(on, "#who", "")
        await type_in(on, "#note", "told all")
        await on.press("enter")
        assert "a name is wanted" in on.text()
        assert on.intents == []


async def test_the_document_is_shown_with_a_confirm_button_inside(tmp_path: Path) -> None:
    paper = tmp_path / "adr.md"
    paper.write_text("# ADR 007\n\nWorkspace gets a database of its own.\n")
    async with stage(tmp_path / "state", started(), documents={"review-adr": paper}) as on:
        await choose(on, "review-adr")
        await on.press("enter")
        assert isinstance(on.app.screen, DocumentScreen)
        await on.until(lambda: "a database of its own" in on.text())
        await on.pilot.click("#confirm")
        await on.pilot.pause()
        await type_in(on, "#who", "ana")
        await type_in(on, "#note", "read")
        await on.press("enter")
        assert on.intents == [Intent("confirm", item="review-adr", who="ana", note="read")]


async def test_closing_the_document_confirms_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "review-adr")
        await on.press("enter")
        await on.until(lambda: "No document" in on.text())
        await on.press("escape")
        assert on.app.screen is on.app.main
        assert on.intents == []


async def test_a_missing_document_is_told_with_its_path(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), documents={"review-adr": tmp_path / "nowhere.md"}) as on:
        await choose(on, "review-adr")
        await on.press("enter")
        await on.until(lambda: "cannot be read" in on.text() and "nowhere.md" in on.text())


async def test_skipping_wants_a_reason(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "notify-team")
        await on.press("x")
        await type_in(on, "#who", "ana")
        await type_in(on, "#note", "")
        await on.press("enter")
        assert "a reason is wanted" in on.text()
        assert on.intents == []
        await type_in(on, "#note", "rehearsal")
        await on.press("enter")
        assert on.intents == [Intent("skip", item="notify-team", who="ana", note="rehearsal")]


async def test_overwriting_a_target_wants_its_own_word(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await choose(on, "migrate-data")
        await on.press("F", *"ROLLBACK", "enter")
        assert on.intents == []
        await type_in(on, "#phrase", "OVERWRITE")
        await on.press("enter")
        assert on.intents == [Intent("run-item", item="migrate-data", force=True, phrase="OVERWRITE")]


async def test_leaving_lets_the_engine_go_on(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("q")
        assert isinstance(on.app.screen, LeaveDialog)
        assert "migrate-data is running" in on.text()
        await on.press("q")
        assert on.app.return_value == "left"
        assert on.intents == []


async def test_leaving_can_stop_the_engine(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("q", "X")
        assert on.intents == [Intent("stop", who=user_name())]
        assert on.app.return_value is None


async def test_leaving_can_be_cancelled(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        await on.press("q", "escape")
        assert on.app.screen is on.app.main
        assert on.intents == []


async def test_a_refusal_is_told(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        on.refuse = "stop-old needs backup (pending)"
        await choose(on, "stop-old")
        await on.press("enter")
        await on.until(lambda: "needs backup (pending)" in on.text())


async def test_an_engine_that_does_not_answer_is_told_with_the_remedy(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        from wsdash.runtime import socket_path

        socket_path(tmp_path, "control").unlink()
        await on.press("a")
        await on.until(lambda: "does not answer" in on.text() and "start it again" in on.text())


async def test_the_cursor_follows_the_run_until_it_is_moved(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        assert on.app.main.checklist.selected.id == "migrate-data"
        await on.emit(*done("migrate-data"), ItemChanged("verify-data", ItemState.RUNNING))
        assert on.app.main.checklist.selected.id == "verify-data"
        await on.press("up", "up")
        await on.emit(ItemChanged("verify-data", ItemState.DONE), ItemChanged("test-api", ItemState.RUNNING))
        assert on.app.main.checklist.selected.id == "init-neon"


async def test_panels_open_with_their_content_and_close(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), *differing()[1:]) as on:
        for key, words in {
            "s": ("Schema", "not carried", "18 chunks become rows of a table"),
            "d": ("Differences", "id=7: missing in the target", "restored and compared", "abababab"),
            "e": ("Evidence", "1 of 4 tables differs", "backup was seen to hold"),
            "question_mark": ("Keys", "Roll back", "Go back to the old service"),
        }.items():
            await on.press(key)
            for word in words:
                assert word in on.text(), (key, word)
            await on.press("escape")
            assert on.app.screen is on.app.main


async def test_an_open_panel_follows_the_run(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await on.press("d")
        assert "No table was verified yet" in on.text()
        await on.emit(*differing()[1:])
        await on.until(lambda: "id=7: missing in the target" in on.text())


async def test_every_binding_has_an_id_a_description_and_a_tooltip(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        nodes = [*on.app.main.help_nodes(), on.app]
        for node in nodes:
            for _, binding in node._bindings:
                if type(node).__module__.startswith("wsdash") and binding.id is None:
                    assert binding.action.startswith(("scroll", "page")), binding
                    continue
                assert binding.description
                assert binding.tooltip


async def test_help_lists_every_key_that_works_here(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), size=(120, 110)) as on:
        tips = {b.tooltip for n in on.app.main.help_nodes() for _, b in n._bindings if b.tooltip and b.id}
        await on.press("question_mark")
        shown = on.text()
        assert all(tip in shown for tip in tips)


ASKED = JobsAsked("backup", ("job 1000 (retention, s.items, every 1 day; next at 2026-01-01 00:00:00 UTC)",))


async def test_a_question_about_background_jobs_is_put_at_once_and_shows_each_with_its_next_start(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, started()) as on:
        await on.emit(ASKED)
        await on.until(lambda: "Pause them" in on.text())
        shown = evidence_text(on.app)
        assert ASKED.jobs[0] in shown
        assert shown.endswith("what is read is proven, and read anew where it moved.")
        await on.pilot.click("#pause")
        await on.app.workers.wait_for_complete()
        assert on.intents == [Intent(PAUSE_JOBS, who=user_name(), options={"pause": True})]


async def test_a_cancelled_question_is_put_again_by_the_keys_that_would_begin(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await on.emit(ASKED)
        await on.until(lambda: "Pause them" in on.text())
        await on.press("escape")
        await on.emit(PauseChanged(False))
        assert on.app.screen is on.app.main, "it is not put twice by itself"
        await on.press("a")
        assert isinstance(on.app.screen, AnswerDialog)
        await on.press("escape")
        await choose(on, "backup")
        await on.press("enter")
        await on.pilot.click("#leave")
        await on.app.workers.wait_for_complete()
        assert on.intents == [Intent(PAUSE_JOBS, who=user_name(), options={"pause": False})]
