"""Is the new service as fast as the old one was? By the probes of both, or by load tests before and after."""

from __future__ import annotations

from dataclasses import replace

from wsdash.model.slower import slower
from wsdash.timeline.evidence import DAY, FEWEST, SampleEvidence, Slice
from wsdash.timeline.samples import amount, per_day, quantile_of_day
from wsdash.timeline.spec import CriterionSpec
from wsdash.timeline.story import Story
from wsdash.timeline.windows import CriterionFinding, Window, watched


def improved(spec: CriterionSpec, story: Story, evidence: SampleEvidence, window: Window) -> CriterionFinding:
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
    value = quantile_of_day(spec, evidence)
    found = per_day(spec, evidence, window, value, old * (1 + spec.slack), wanted)
    return replace(found, measured=f"{amount(old, spec.unit)} before, {found.measured}")


def _by_load(story: Story, lacking: str, covered: float) -> CriterionFinding:
    wanted = "load tests of the new service no slower than the old one's"
    before = story.run.loads.get("old read") or story.run.loads.get("baseline read")
    new = story.run.loads.get("new read")
    if before is None or new is None:
        untested = "the new service" if before is not None else "the old one"
        return CriterionFinding(None, f"{lacking}; no load test of {untested}", wanted, covered)
    shared = {rung.clients for rung in before.rungs} & {rung.clients for rung in new.rungs}
    if not shared:
        return CriterionFinding(
            None, f"{lacking}; the load tests share no number of clients", wanted, covered
        )
    found = slower(new.rungs, before.rungs)
    if found:
        return CriterionFinding(False, "; ".join(found), wanted, covered)
    return CriterionFinding(
        True, f"load tests with {len(shared)} numbers of clients: none slower", wanted, covered
    )
