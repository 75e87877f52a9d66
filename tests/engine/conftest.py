"""Engines of tests note their runs in a state home of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.session import Session
from tests.engine.small_world import Small


@pytest.fixture(autouse=True)
def _own_state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """A small world on which no item was run yet."""
    return Small(tmp_path)


@pytest.fixture
def session(small: Small) -> Session:
    """An operator's session on it; `async with session:` runs its engine."""
    return Session(small)
