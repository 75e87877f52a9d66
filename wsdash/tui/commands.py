"""The command palette: Textual's own, fed by the bindings that are there, so that it can do no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode

from wsdash.tui.keymap import bindings_now


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
