"""Which stack the settings give."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.stack.world import quiet, service, world_of
from wsdash.config import Settings, load_settings
from wsdash.errors import InputError, RefusedError
from wsdash.stack.docker.stack import DockerStack
from wsdash.stack.factory import open_stack
from wsdash.stack.local.stack import LocalStack


def local(directory: str) -> Settings:
    """The shipped settings on the local engine."""
    settings = load_settings()
    stack = msgspec.structs.replace(settings.stack, engine="local", supervisor=directory)
    return msgspec.structs.replace(settings, stack=stack)


def test_each_engine_has_its_stack(tmp_path: Path) -> None:
    assert isinstance(open_stack(load_settings()), DockerStack)
    assert isinstance(open_stack(local(str(tmp_path))), LocalStack)


def test_a_local_engine_without_a_directory_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        open_stack(local(""))
    assert "stack.supervisor" in caught.value.where


async def test_read_only_holds_for_either(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")):
        for settings in (load_settings(), local(str(tmp_path))):
            stack = open_stack(settings, read_only=True)
            with pytest.raises(RefusedError):
                await stack.stop(["a"], quiet)
            await stack.close()
