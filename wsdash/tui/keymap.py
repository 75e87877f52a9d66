"""Keys as they are now: the bindings' own, with what `screen.keys` of wsdash.yaml says laid over them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key

from wsdash.config.keys import DEFAULTS

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


def bindings_now(node: DOMNode) -> Iterable[Binding]:
    """Every binding of a node with an id and a description, with the key that it has now; in their order."""
    found = node._bindings.copy()
    order = list(dict.fromkeys(binding.id for _, binding in found))
    if node.app._keymap:
        found.apply_keymap(node.app._keymap)
    described = [binding for _, binding in found if binding.id and binding.description]
    return sorted(described, key=lambda binding: order.index(binding.id))
