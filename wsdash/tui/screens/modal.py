"""What all questions and panels over the main screen share: they close once, whatever is pressed how fast."""

from __future__ import annotations

from textual import events
from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType

from wsdash.tui.keymap import with_keys


class Modal(ModalScreen[ScreenResultType]):
    """A screen over another one that gives one answer, or none.

    Keys that come faster than the screen closes find it still there: the second answer counts for nothing.
    """

    _gave_answer = False

    def with_keys(self, text: str) -> str:
        """Text with the keys that its {ids} have now."""
        return with_keys(self.app._keymap, text)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; one that was closed before it was mounted has nothing to be filled."""
        if isinstance(event, events.Mount) and self not in self.app.screen_stack:
            return
        await super().on_event(event)

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close with the result; nothing when it closed already or another screen lies over it."""
        if self._gave_answer or not self.is_current:
            return AwaitComplete()
        self._gave_answer = True
        return super().dismiss(result)
