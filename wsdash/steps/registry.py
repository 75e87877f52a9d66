"""All steps by item id, and the plan as the configuration shapes it."""

from __future__ import annotations

import msgspec

from wsdash.config import Settings
from wsdash.model import ItemKind, Mode
from wsdash.plan import Plan
from wsdash.steps.base import Step
from wsdash.steps.database.backup import Backup
from wsdash.steps.database.migrate import MigrateData
from wsdash.steps.database.schema import InitNeon
from wsdash.steps.database.verify import VerifyData
from wsdash.steps.online.following import Capture, CatchUp, MigrateOnline, VerifyOnline
from wsdash.steps.online.switch import StopOldOnline, SwitchWrites, TestApiOnline
from wsdash.steps.publishing import NotifyTeam, UpdateDashboards, UpdateDocs
from wsdash.steps.services.branching import Branching
from wsdash.steps.services.readiness import NeonImage, PortsFree
from wsdash.steps.services.stop_and_start import StartStack, StopOld
from wsdash.steps.trials.api import TestApi
from wsdash.steps.trials.checklist import testing_steps
from wsdash.steps.trials.load import Benchmarks


def all_steps(mode: str = "") -> dict[str, Step]:
    """A step for every automatic item of a run of that mode ('' is offline), and for notify-team when it is
    configured to be automatic.
    """
    steps: list[Step] = [
        Backup(),
        NeonImage(),
        NotifyTeam(),
        PortsFree(),
        StopOld(),
        StartStack(),
        InitNeon(),
        MigrateData(),
        VerifyData(),
        TestApi(),
        UpdateDashboards(),
        Benchmarks(),
        Branching(),
        UpdateDocs(),
        *testing_steps(),
    ]
    if mode == Mode.ONLINE:
        steps += [
            Capture(),
            MigrateOnline(),
            CatchUp(),
            VerifyOnline(),
            SwitchWrites(),
            StopOldOnline(),
            TestApiOnline(),
        ]
    return {step.id: step for step in steps}


def effective_plan(plan: Plan, settings: Settings) -> Plan:
    """The plan with notify-team made automatic where a webhook or a command is configured."""
    if not (settings.notify.webhook_env or settings.notify.command):
        return plan
    items = tuple(
        msgspec.structs.replace(item, kind=ItemKind.AUTO) if item.id == NotifyTeam.id else item
        for item in plan.items
    )
    return msgspec.structs.replace(plan, items=items)
