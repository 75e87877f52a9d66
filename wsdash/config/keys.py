"""The keys of the screen by the ids of what they do, and what `screen.keys` of wsdash.yaml may make of them.

A test holds DEFAULTS to the bindings that the screens really have.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping

from wsdash.config.rules import Refuse

_PLACES = {
    "app": "leave=ctrl+q,ctrl+c palette=ctrl+p,colon repaint=ctrl+l",
    "do": "auto=a compare=v force=F pause=p retry=r rollback=R run=enter skip=x",
    "look": (
        "alerts=A attention=space before=shift+tab branches=b checklist=1 containers=2 "
        "copy=ctrl+c,super+c differences=d evidence=e help=question_mark jump=J latency=4 leave=q "
        "logs=5 metrics=m move=M next=tab rehearsal=H report=w rows=3 schema=s tests=c theme=t "
        "timeline=y zoom=z"
    ),
    "list": "down=down,j end=end,G halfdown=ctrl+d halfup=ctrl+u home=home,g up=up,k",
    "pane": "down=down,j end=end,G halfdown=ctrl+d halfup=ctrl+u home=home,g up=up,k",
    "latency": "window=h",
    "logs": (
        "before=N clear=escape container=o copy=Y detail=enter down=down,j end=end,G "
        "error=full_stop errorbefore=comma export=W find=slash follow=f halfdown=ctrl+d "
        "halfup=ctrl+u include=I less=minus level=l more=plus next=n older=O probes=i time=T "
        "top=home,g up=up,k wrap=L"
    ),
    "panel": (
        "close=escape,enter,q down=down,j end=end,G home=home,g pagedown=pagedown,ctrl+d "
        "pageup=pageup,ctrl+u up=up,k"
    ),
    "alerts": "ack=K next=n silence=S unsilence=u",
    "conflicts": (
        "allnew=greater_than_sign allold=less_than_sign decide=enter down=down,j new=right old=left up=up,k"
    ),
    "days": "answer=enter decide=D down=down,j finish=E up=up,k",
    "differences": "compare=v",
    "evidence": "again=r",
    "metrics": "window=h",
    "move": "rollback=R",
    "rehearsal": "begin=H end=X",
    "report": "before=left,N next=right,n",
    "tests": "all=a down=down,j try=enter up=up,k",
    "document": "back=pageup,ctrl+u close=escape,q confirm=C down=down,j page=pagedown,ctrl+d up=up,k",
    "dialog": "cancel=escape",
    "again": "before=left next=right",
    "answer": "before=left next=right",
    "leave": "before=left,up cancel=escape next=right,down on=q stop=X",
}
"""Where a key works -> what it does there, and its keys with commas between them."""
DEFAULTS = {
    f"{place}.{does}": keys
    for place, all_of in _PLACES.items()
    for does, keys in (one.split("=") for one in all_of.split())
}
"""Id -> keys."""

_MAIN = {"app", "do", "look"}
_TOGETHER: tuple[set[str], ...] = (
    *(_MAIN | {pane} for pane in ("list", "pane", "logs")),
    _MAIN | {"pane", "latency"},
    *(
        {"app", "panel", panel}
        for panel in (
            *("alerts", "conflicts", "days", "differences", "evidence"),
            *("metrics", "move", "rehearsal", "report", "tests"),
        )
    ),
    *({"app", "dialog", dialog} for dialog in ("again", "answer", "leave")),
    {"app", "document"},
)
"""Places whose keys work at the same time."""

_NAMED = {
    "up",
    "down",
    "left",
    "right",
    "home",
    "end",
    "pageup",
    "pagedown",
    "enter",
    "escape",
    "tab",
    "space",
}
_NAMED |= {"backspace", "delete", "insert", *(f"f{number}" for number in range(1, 25))}
_HELD = re.compile(r"(?:(?:ctrl|shift|alt|super|meta|hyper)\+)*")


def name_of(sign: str) -> str:
    """The name by which Textual calls a key that is written as one sign: ? is question_mark."""
    if sign.isalnum():
        return sign
    name = unicodedata.name(sign, "").lower().replace("-", "_").replace(" ", "_")
    return {"solidus": "slash", "reverse_solidus": "backslash", "low_line": "underscore"}.get(
        name, {"hyphen_minus": "minus", "plus_sign": "plus", "commercial_at": "at"}.get(name, name)
    )


_SIGNS = {name_of(chr(code)) for code in range(33, 127)}


def keys_of(written: str) -> list[str]:
    """The single keys of a value, by their names; what is no key is there as it was written."""
    found = []
    for key in written.split(","):
        held = _HELD.match(key.strip())
        before = held.group() if held else ""
        last = key.strip()[len(before) :]
        found.append(before + (name_of(last) if len(last) == 1 else last))
    return found


def check_keys(keys: Mapping[str, str], refuse: Refuse) -> None:
    """Calls refuse(key, value, remedy) for an unknown id, for what is no key, and for a key used twice."""
    for id, written in keys.items():
        if id not in DEFAULTS:
            close = difflib.get_close_matches(id, DEFAULTS, 1, 0.6)
            hint = f"did you mean {close[0]}? " if close else ""
            refuse(f"screen.keys.{id}", written, f"{hint}`?` on the screen lists the id of every key")
        for key in keys_of(written):
            if not _is_key(key):
                remedy = "use one sign, or a name such as f5, ctrl+f or pageup, with commas between several"
                refuse(f"screen.keys.{id}", written, remedy)
    for id in keys:
        for other in DEFAULTS:
            for key in _both(keys, id, other):
                remedy = (
                    f"{key} is the key of {other} too, which works at the same place: choose another for one"
                )
                refuse(f"screen.keys.{id}", keys[id], remedy)


def _is_key(key: str) -> bool:
    last = key[_HELD.match(key).end() :]  # type: ignore[union-attr]
    return last in _NAMED or last in _SIGNS or (len(last) == 1 and last.isalnum())


def _both(keys: Mapping[str, str], id: str, other: str) -> list[str]:
    """Keys of both that are not so by default, where both work at the same time."""
    places = {id.partition(".")[0], other.partition(".")[0]}
    if id == other or not any(places <= together for together in _TOGETHER):
        return []
    usual = set(keys_of(DEFAULTS[id])) & set(keys_of(DEFAULTS[other]))
    mine, theirs = keys_of(keys[id]), keys_of(keys.get(other, DEFAULTS[other]))
    return [key for key in mine if key in theirs and key not in usual]
