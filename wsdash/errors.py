"""What went wrong, where, and what to do: the one shape in which a failure reaches a person."""

from __future__ import annotations


class WsdashError(Exception):
    """A failure described for the operator.

    what: the fact, in one sentence ("the target already has 12 rows in workspace.workspace_items").
    where: the file, server, port or item concerned ("workspace-db-compute on localhost:5433").
    remedy: the next thing to do, as an instruction. None of the three may hold a secret.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        return " | ".join(part for part in (self.what, self.where, self.remedy) if part)


class InputError(WsdashError):
    """Bad input or configuration: nothing was started, exit code 2."""

    exit_code = 2


class LockHeldError(WsdashError):
    """Another operator holds the run, exit code 3."""

    exit_code = 3


class UnreachableError(WsdashError):
    """A server, container engine or API did not answer."""


class RefusedError(WsdashError):
    """wsdash will not do this because an invariant forbids it (foreign rows in the target, say)."""


class DefectError(WsdashError):
    """A bug of wsdash itself: nothing that the operator did or could put right."""
