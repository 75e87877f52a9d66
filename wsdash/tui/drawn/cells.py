"""What drawing is made of: a frame to draw in, cells of fixed width, rows of them, and keys in texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from textual.content import Content, Span
from textual.keys import format_key

from wsdash.config.keys import DEFAULTS
from wsdash.tui.drawn.looks import ABSENT, DIM, LIVENESS, Look, age
from wsdash.tui.state.freshness import EngineState, Freshness, engine_state
from wsdash.tui.state.viewstate import ViewState

Lines = list[Content]

_NAMED = re.compile(r"\{([a-z]+\.[a-z]+)\}")


def with_keys(keys: Mapping[str, str], text: str) -> str:
    """Text in which each {id} is the first key of that binding, as it is written on the screen."""
    return _NAMED.sub(lambda found: written(keys.get(found[1], DEFAULTS[found[1]]).split(",")[0]), text)


def written(key: str) -> str:
    """A key as people read it: ⏎, ?, ^p."""
    *held, last = key.split("+")
    sign = "Esc" if last == "escape" else format_key(last)
    if "ctrl" in held:
        held.remove("ctrl")
        sign = f"^{sign}"
    return "+".join([*held, sign])


@dataclass(frozen=True)
class Frame:
    """When and where something is drawn: epoch seconds, cells, whether it is the operator's screen, and the
    keys that differ from their defaults, by id."""

    now: float
    width: int
    height: int = 24
    operator: bool = False
    keys: Mapping[str, str] = field(default_factory=dict, compare=False)

    def with_keys(self, text: str) -> str:
        """Text with the keys that its {ids} have on this screen."""
        return with_keys(self.keys, text)


def cell(text: str, width: int, style: str = "", *, right: bool = False) -> Content:
    """Text cut or padded to exactly `width` cells."""
    if text.isascii() and text.isprintable() and len(text) <= width:  # nearly all, and a frame has hundreds
        padded = text.rjust(width) if right else text.ljust(width)
        return Content.styled(padded, style, width)
    content = Content(" ".join(text.split("\n"))).truncate(max(0, width), ellipsis=True)
    gap = " " * max(0, width - content.cell_length)
    whole = gap + content.plain if right else content.plain + gap
    return Content.styled(whole, style) if style else Content(whole)


def name_cell(text: str, width: int, style: str = "") -> Content:
    """A name in exactly `width` cells, cut in the middle: its end tells names apart as often as its start."""
    flat = " ".join(text.split("\n"))
    if Content(flat).cell_length > width > 2:
        tail = (width - 1) // 2
        while Content(flat[-tail:]).cell_length > (width - 1) // 2 and tail > 1:
            tail -= 1
        head = Content(flat).truncate(width - 1 - Content(flat[-tail:]).cell_length).plain
        flat = f"{head}…{flat[-tail:]}"
    return cell(flat, width, style)


def as_title(text: str) -> str:
    """Text for a border, taken literally: a border would read square brackets as markup."""
    return Content(text).markup


def status(look: Look, width: int) -> Content:
    """Glyph and word of a status in `width` cells."""
    return cell(f"{look.glyph} {look.word}", width, look.style)


def row(*cells: Content | str) -> Content:
    """Cells beside each other, one blank apart."""
    texts, spans, place = list[str](), list[Span](), 0
    for one in cells:
        content = one if isinstance(one, Content) else Content(one)
        spans += [Span(begin + place, end + place, style) for begin, end, style in content.spans]
        texts.append(content.plain)
        place += len(content.plain) + 1
    return Content(" ".join(texts), spans)


def fresh_title(name: str, fresh: Freshness) -> str:
    """A pane's title with its source's liveness when it is not simply live."""
    if fresh.live:
        return name
    look = ABSENT if fresh.absent else LIVENESS[fresh.liveness]
    words = [f"{look.glyph} {look.word}"]
    if fresh.liveness is not None and fresh.age is not None:
        words.append(f"{age(fresh.age)} old")
    if fresh.detail:
        words.append(fresh.detail)
    return f"{name} · {', '.join(words)}"


def nothing_yet(view: ViewState, now: float, what: str) -> Lines:
    """What an empty pane says: why there is nothing, never just a blank."""
    engine = engine_state(view, now)
    words = {
        EngineState.STARTING: f"{what}: waiting for the engine to start",
        EngineState.STOPPED: f"{what}: none were read before the engine stopped",
        EngineState.GONE: f"{what}: none were read before the engine was gone",
        EngineState.BLOCKED: f"{what}: none were read before the engine could not write any more",
    }.get(
        engine,
        f"{what}: " + ("the world is being built" if view.building else "waiting for the first reading"),
    )
    return [Content.styled(words, DIM)]
