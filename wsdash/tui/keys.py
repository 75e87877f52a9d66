"""Keys as they are now, and where they are shown: the last line, and the command palette.

The bindings' own, with what `screen.keys` of wsdash.yaml says laid over them. The last line has those that
matter now, as many as fit; a click presses one. The palette is Textual's own, fed by the bindings that are
there, so that it can do no more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from wsdash.model import ItemState, Outcome
from wsdash.tui.drawn.looks import BAD, DIM
from wsdash.tui.state.viewstate import ViewState


def bindings_now(node: DOMNode) -> Iterable[Binding]:
    """Every binding of a node with an id and a description, with the key that it has now; in their order."""
    found = node._bindings.copy()
    order = list(dict.fromkeys(binding.id for _, binding in found))
    if node.app._keymap:
        found.apply_keymap(node.app._keymap)
    described = [binding for _, binding in found if binding.id and binding.description]
    return sorted(described, key=lambda binding: order.index(binding.id))


KEY = "bold $text-accent"
ALWAYS = ("look.help", "look.leave")
"""At the right end, whatever the width."""
USUAL = (
    *("do.run", "do.auto", "do.pause", "do.retry", "do.rollback"),
    *("look.evidence", "look.differences", "look.schema", "look.zoom", "look.jump", "app.palette"),
    *("look.alerts", "look.tests", "look.metrics", "look.timeline", "look.report", "look.branches"),
    *("look.rehearsal", "look.move", "do.compare", "do.skip", "look.theme"),
)
"""What there is to press while nothing is urgent, in the order in which room is given."""
BESIDE = (
    *("logs.clear", "logs.next", "logs.before", "logs.top", "logs.end", "logs.up", "logs.down"),
    *("logs.halfup", "logs.halfdown", "logs.more", "logs.less"),
)
"""Keys of a pane that everybody finds, or that mean something only after another one."""


class Hint(NamedTuple):
    """One key that works: its binding's id, the key, how it is written, what it does."""

    id: str
    key: str
    shown: str
    words: str


def hints_of(screen: Screen[object]) -> list[Hint]:
    """All keys that work on the screen as it is focused, those of the focused widget first."""
    found: dict[str, Hint] = {}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        if binding.id and binding.description and active.enabled:
            shown = screen.app.get_key_display(binding)
            found.setdefault(binding.id, Hint(binding.id, key, shown, binding.description))
    return list(found.values())


def pressing(view: ViewState, now: float) -> list[str]:
    """Ids of the keys that matter more than usual in this state, the most pressing first."""
    wanted = []
    if view.alerting.unheeded(now):
        wanted.append("look.alerts")
    if any(look.state is ItemState.FAILED for look in view.run.items.values()):
        wanted += ["do.retry", "do.rollback", "look.evidence"]
    if view.run.jobs_asked is not None:
        wanted.append("do.auto")
    if view.run.paused:
        wanted.append("do.pause")
    if view.run.rehearsing is not None:
        wanted.append("look.rehearsal")
    if view.run.finished is Outcome.MIGRATED:
        wanted += ["do.run", "look.timeline", "look.report", "do.rollback", "look.tests"]
    return wanted


def chosen(hints: Sequence[Hint], wanted: Sequence[str], pane: Sequence[str]) -> list[Hint]:
    """The hints in the order in which room is given: pressing ones, the pane's own, then the usual ones."""
    known: Mapping[str, Hint] = {hint.id: hint for hint in hints}
    order = dict.fromkeys([*wanted, *pane, *USUAL])
    return [known[id] for id in order if id in known and id not in ALWAYS]


def lay_out(hints: Sequence[Hint], ends: Sequence[Hint], width: int) -> list[tuple[int, Hint]]:
    """What fits into `width` cells, with the cell at which each begins; `ends` are at the right end."""
    after = sum(_width(hint) for hint in ends) + max(0, len(ends) - 1)
    place, placed = 0, []
    for hint in hints:
        if place + _width(hint) + 1 + after <= width:
            placed.append((place, hint))
            place += _width(hint) + 1
    place = max(place, width - after)
    for hint in ends:
        placed.append((place, hint))
        place += _width(hint) + 1
    return placed


def _width(hint: Hint) -> int:
    return cell_len(hint.shown) + 1 + cell_len(hint.words)


class KeysLine(Static):
    """The footer. It is drawn from the bindings that are really there, with the keys they have now."""

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__(markup=False, id="keysline")
        self._hints: list[Hint] = []
        self._pane: list[str] = []
        self._placed: list[tuple[int, Hint]] = []
        self._drawn_for: object = None
        self._view, self._now = ViewState(), 0.0

    def on_mount(self) -> None:
        """Follow what has the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._look)
        self._look(self.screen)

    def on_resize(self) -> None:
        """Fill the new width."""
        self._draw()

    def show(self, view: ViewState, now: float) -> None:
        """Render what matters in a state."""
        self._view, self._now = view, now
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Press the key under the pointer."""
        for begin, hint in self._placed:
            if begin <= event.x - 1 < begin + _width(hint):
                self.app.simulate_key(hint.key)

    def _look(self, screen: Screen[object]) -> None:
        if not self.is_attached or self.app.screen is not screen:
            return
        self._hints = hints_of(screen)
        self._pane = _own(screen.focused)
        self._draw()

    def _draw(self) -> None:
        width = self.content_size.width
        if not self._hints or width < 1:
            return
        wanted = pressing(self._view, self._now)
        drawn_for = (wanted, self._hints, self._pane, width)
        if drawn_for == self._drawn_for:
            return
        self._drawn_for = drawn_for
        ends = sorted((h for h in self._hints if h.id in ALWAYS), key=lambda hint: ALWAYS.index(hint.id))
        self._placed = lay_out(chosen(self._hints, wanted, self._pane), ends, width)
        parts, place = [], 0
        for begin, hint in self._placed:
            loud = hint.id == "look.alerts" and hint.id in wanted
            words = Content.styled(hint.words, f"{BAD} reverse" if loud else DIM)
            parts.append(Content(" " * (begin - place)) + Content.assemble((hint.shown, KEY), " ", words))
            place = begin + _width(hint)
        self.update(Content("").join(parts), layout=False)


def _own(focused: DOMNode | None) -> list[str]:
    """Ids of the bindings that the focused widget itself has, as far as they are worth a hint."""
    if focused is None or getattr(focused, "id", None) == "list":
        return []
    own = dict.fromkeys(b.id for _, b in focused._bindings if b.id and b.id not in BESIDE)
    return [id for id in own if id.startswith(("logs.", "latency."))]


class BindingCommands(Provider):
    """A command for every binding of the screen below, and of what it shows."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for name, description, run in self._commands():
            yield DiscoveryHit(name, run, help=description)

    async def search(self, query: str) -> Hits:
        """Those whose name or explanation fits."""
        matcher = self.matcher(query)
        for name, description, run in self._commands():
            score = max(matcher.match(name), matcher.match(description) / 2)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=description)

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], Awaitable[None]]]]:
        known: set[str] = set()
        for node in self._nodes():
            for binding in bindings_now(node):
                if binding.id and binding.id not in known:
                    known.add(binding.id)
                    key = self.app.get_key_display(binding)
                    yield (
                        f"{binding.description} ({key})",
                        binding.tooltip,
                        self._runner(node, binding.action),
                    )

    def _nodes(self) -> list[DOMNode]:
        nodes = getattr(self.screen, "help_nodes", None)
        return list(nodes()) if nodes is not None else [self.screen]

    def _runner(self, node: DOMNode, action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.app.run_action(action, node)

        return run
