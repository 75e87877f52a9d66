"""Prometheus' text format, with the names that Neon really uses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.demo import service as demo
from wsdash.errors import WsdashError
from wsdash.watch.pollers.prometheus import metric_names, parse_metrics

PAGE = """
# HELP pageserver_tenant_states_count Count of tenants per state
# TYPE pageserver_tenant_states_count gauge
pageserver_tenant_states_count{state="Active"} 1
# TYPE pageserver_wal_ingest_bytes_received counter
pageserver_wal_ingest_bytes_received 1.5e3 1700000000000
# TYPE pageserver_wait_lsn_seconds histogram
pageserver_wait_lsn_seconds_bucket{le="0.1"} 3
pageserver_wait_lsn_seconds_bucket{le="+Inf"} 4
pageserver_wait_lsn_seconds_sum 0.5
pageserver_wait_lsn_seconds_count 4
# TYPE open_seconds counter
open_seconds_total 7
stray NaN
"""


def test_the_kind_is_what_the_type_line_says_and_not_the_suffix() -> None:
    families = parse_metrics(PAGE)
    assert families["pageserver_tenant_states_count"].kind == "gauge"
    assert families["pageserver_wal_ingest_bytes_received"].kind == "counter"
    assert families["pageserver_wal_ingest_bytes_received"].samples[0].value == 1500


def test_the_parts_of_a_histogram_belong_to_it() -> None:
    histogram = parse_metrics(PAGE)["pageserver_wait_lsn_seconds"]
    assert [sample.name.rpartition("_")[2] for sample in histogram.samples] == [
        "bucket",
        "bucket",
        "sum",
        "count",
    ]
    assert histogram.samples[1].labels == {"le": "+Inf"}


def test_a_counter_whose_type_line_lacks_total_is_found() -> None:
    assert parse_metrics(PAGE)["open_seconds"].samples[0].value == 7


def test_a_sample_without_a_type_line_is_untyped() -> None:
    stray = parse_metrics(PAGE)["stray"]
    assert stray.kind == "untyped"
    assert math.isnan(stray.samples[0].value)


def test_names_for_queries_include_the_parts_of_a_histogram_without_samples() -> None:
    names = metric_names("# TYPE a histogram\n# TYPE b gauge\n")
    assert {"a", "a_bucket", "a_sum", "a_count", "b"} <= names
    assert "b_count" not in names


@pytest.mark.parametrize("line", ["<html>", 'a{b="c} 1', "a b", "a{b=c} 1", 'a{__b="c"} 1'])
def test_what_is_not_the_format_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(WsdashError, match="line 2 is not in Prometheus"):
        parse_metrics(f"ok 1\n{line}\n")


def test_of_the_families_that_are_wanted_each_is_read_as_on_the_whole_page() -> None:
    wanted = ("pageserver_wait_lsn_seconds", "open_seconds", "stray")
    found = parse_metrics(PAGE, wanted)
    assert found.keys() == set(wanted)
    assert found["pageserver_wait_lsn_seconds"] == parse_metrics(PAGE)["pageserver_wait_lsn_seconds"]
    assert found["open_seconds"] == parse_metrics(PAGE)["open_seconds"]


def test_a_line_that_nobody_wants_spoils_nothing() -> None:
    assert parse_metrics(PAGE + "a{b=c} 1\n", ["open_seconds"]).keys() == {"open_seconds"}


def test_a_page_without_anything_wanted_is_read_whole_and_refused_where_it_is_none() -> None:
    assert "open_seconds" in parse_metrics(PAGE, ["another"])
    with pytest.raises(WsdashError, match="line 1 is not in Prometheus"):
        parse_metrics("<html>\n", ["open_seconds"])


LABELS = st.dictionaries(
    # names that begin with two low lines are Prometheus' own: no page may use them
    st.from_regex(r"(?!__)[a-z_][a-z0-9_]{0,8}", fullmatch=True),
    st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"], whitelist_characters='\n"\\{},=')),
    max_size=3,
)


@settings(max_examples=200)
@given(st.lists(st.tuples(LABELS, st.floats(allow_nan=False, allow_infinity=False)), max_size=5))
def test_what_is_written_is_read_back(samples: list[tuple[dict[str, str], float]]) -> None:
    page = demo.exposition([demo.family("some_metric", "gauge", 'Help {with} "signs"', samples)])
    read = parse_metrics(page)["some_metric"]
    assert [(sample.labels, sample.value) for sample in read.samples] == samples
