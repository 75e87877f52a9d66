"""The stack that the settings name."""

from __future__ import annotations

from pathlib import Path

from wsdash.config import Settings, secret_variables
from wsdash.errors import InputError
from wsdash.stack.base import Stack


def open_stack(settings: Settings, read_only: bool = False) -> Stack:
    """A DockerStack, a LocalStack or an ExternalStack. Nothing is sent yet.

    read_only: only reading requests will ever be sent; start and stop raise RefusedError.
    Raises InputError when the local engine's directory is not set.
    """
    if settings.stack.engine == "docker":
        from wsdash.stack.docker.stack import DockerStack

        return DockerStack(settings.stack, read_only=read_only, secrets=secret_variables(settings))
    if settings.stack.engine == "external":
        from wsdash.stack.external import ExternalStack

        return ExternalStack(settings.stack, read_only=read_only)
    from wsdash.stack.local.stack import LocalStack

    if not settings.stack.supervisor:
        raise InputError(
            "stack.engine is local, but stack.supervisor names no directory",
            where=f"{settings.directory}/wsdash.yaml, key stack.supervisor",
            remedy="name the directory that holds services.json, or use engine docker",
        )
    return LocalStack(Path(settings.stack.supervisor), read_only=read_only)
