"""All steps by item id, and the plan as the configuration shapes it."""

from __future__ import annotations

import msgspec

from wsdash.config import Settings
from wsdash.model import ItemKind
from wsdash.plan import Plan
from wsdash.steps.api.tests import TestApi
from wsdash.steps.backup import Backup
from wsdash.steps.base import Step
from wsdash.steps.branching import Branching
from wsdash.steps.comparing.verify import VerifyData
from wsdash.steps.dashboards import UpdateDashboards
from wsdash.steps.documentation import UpdateDocs
from wsdash.steps.images import NeonImage
from wsdash.steps.load.benchmarks import Benchmarks
from wsdash.steps.migrate import MigrateData
from wsdash.steps.notify import NotifyTeam
from wsdash.steps.ports import PortsFree
from wsdash.steps.schema import InitNeon
from wsdash.steps.services import StartStack, StopOld
from wsdash.steps.testing.checklist import testing_steps


def all_steps() -> dict[str, Step]:
    """A step for every automatic item, and for notify-team when it is configured to be automatic."""
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
    return {step.id: step for step in steps}


def effective_plan(plan: Plan, settings: Settings) -> Plan:
    """The plan with notify-team made automatic where a webhook or a command is configured."""
    if not (settings.notify.webhook_env or settings.notify.command):
        return plan
    return Plan(
        tests=plan.tests,
        items=tuple(
            msgspec.structs.replace(item, kind=ItemKind.AUTO) if item.id == NotifyTeam.id else item
            for item in plan.items
        ),
    )
