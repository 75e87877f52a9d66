"""Compose files, as the compose command of this machine reads them, and what that command does with them.

wsdash has no reader of compose files of its own: `compose config` knows `.env`, `include`, `extends`,
profiles, interpolation and the tags of its own version, and what it refuses would not start either.
"""

from wsdash.stack.compose.command import (
    built_image,
    compose_build,
    compose_command,
    compose_pull,
    compose_up,
    refuse_foreign,
    run_command,
)
from wsdash.stack.compose.description import ComposeService, described_services

__all__ = [
    "ComposeService",
    "built_image",
    "compose_build",
    "compose_command",
    "compose_pull",
    "compose_up",
    "described_services",
    "refuse_foreign",
    "run_command",
]
