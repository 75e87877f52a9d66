"""Is the new service as fast as the old one was? By the probes of both, or by load tests before and after."""

from __future__ import annotations

import math

from wsdash.model.slower import slower
from wsdash.timeline.evidence import DAY, FEWEST, Evidence, Slice
from wsdash.timeline.samples import amount
from wsdash.timeline.spec import CriterionSpec
from wsdash.timeline.story import Story
from wsdash.timeline.windows import Found, Window, unseen, unseen_words, watched


def improved(spec: CriterionSpec, story: Story, evidence: Evidence, window: Window) -> Found:
    """The quantile of all probes is no worse than the old service's by more than `slack`, in every 24 hours.

    Probes ask one endpoint: what load tests before and after say of any other counts as well. Where the old
    service was probed too little before it was stopped, only they say.
    """
    wanted = f"p{spec.quantile * 100:g} at most {spec.slack:.0%} above the old service's"
    names = evidence.matching(spec.series)
    covered = watched(evidence, names, window)
    before = Slice((story.started_at or window.since) - DAY, window.since)
    count = evidence.summary(spec.before, before).count
    old = evidence.percentile(spec.before, spec.quantile, before)
    if count < FEWEST or old is None:
        return _by_load(story, f"{count} answers of the old service, wanted {FEWEST}", covered)
    loads = _by_load(story, "", covered)
    if loads.holds is False:
        return loads
    worst: tuple[float, Slice] | None = None
    for part in window.parts:
        new = evidence.quantile_of_probes(spec.series, spec.quantile, part)
        if new is not None and (worst is None or new > worst[0]):
            worst = (new, part)
    lacking = unseen(evidence, names, window)
    if worst is None:
        return Found(None, "nothing measured of the new service", wanted, covered)
    measured = f"{amount(old, spec.unit)} before, {amount(worst[0], spec.unit)} in {window.name(worst[1])}"
    most = old * (1 + spec.slack)
    if worst[0] > most and (worst[1] not in lacking or math.isinf(worst[0])):
        return Found(False, measured, wanted, covered)
    if lacking:
        return Found(None, f"{measured}; {unseen_words(lacking, evidence, names, window)}", wanted, covered)
    return Found(True, measured, wanted, covered)


def _by_load(story: Story, lacking: str, covered: float) -> Found:
    wanted = "load tests of the new service no slower than the old one's"
    before = story.loads.get("old read") or story.loads.get("baseline read")
    new = story.loads.get("new read")
    if before is None or new is None:
        untested = "the new service" if before is not None else "the old one"
        return Found(None, f"{lacking}; no load test of {untested}", wanted, covered)
    shared = {rung.clients for rung in before.rungs} & {rung.clients for rung in new.rungs}
    if not shared:
        return Found(None, f"{lacking}; the load tests share no number of clients", wanted, covered)
    found = slower(new.rungs, before.rungs)
    if found:
        return Found(False, "; ".join(found), wanted, covered)
    return Found(True, f"load tests with {len(shared)} numbers of clients: none slower", wanted, covered)
