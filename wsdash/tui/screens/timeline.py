"""The panel of the fourteen days, judged by the engine from journal and samples, whoever opens it when."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.tui.panes.base import Frame
from wsdash.tui.panes.timeline import draw_timeline
from wsdash.tui.screens.views import ViewPanel
from wsdash.tui.viewstate import ViewState


class TimelinePanel(ViewPanel):
    """Days, criteria, decisions and the board; decided with `wsdash decide`."""

    NAME = "Timeline and success criteria"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The panel's lines."""
        return draw_timeline(view, frame)
