"""Two printed forms of one definition are brought to one; two different definitions are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.data.pg.sql import ident, literal
from wsdash.data.schema.compare_tables import canonical, tokenize


def test_an_array_cast_reads_as_casts_of_its_elements() -> None:
    first = "((a)::text = ANY ((ARRAY['x'::character varying, 'y, z'::character varying])::text[]))"
    second = "((a)::text = ANY (ARRAY[('x'::character varying)::text,\n  ('y, z'::character varying)::text]))"
    assert canonical(first) == canonical(second)


def test_casts_of_arrays_to_types_with_modifiers_are_pushed_too() -> None:
    first = "(ARRAY['a'::text, f(1, 2)])::character varying(20)[]"
    second = "ARRAY[('a'::text)::character varying(20), (f(1, 2))::character varying(20)]"
    assert canonical(first) == canonical(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("CHECK (a = 'x  y')", "CHECK (a = 'x y')"),
        ("CHECK ((a OR b) AND c)", "CHECK (a OR (b AND c))"),
        ("AS $f$ SELECT  1 $f$", "AS $f$ SELECT 1 $f$"),
        ('"a b"', '"a  b"'),
        ("a::text", "a::varchar"),
        ("(ARRAY[a])::text[]", "(ARRAY[a])::int[]"),
    ],
)
def test_different_definitions_stay_different(first: str, second: str) -> None:
    assert canonical(first) != canonical(second)


def test_an_alias_before_a_column_can_be_dropped() -> None:
    assert canonical("SELECT t.a, t.b FROM s.t", unqualified=True) == canonical(
        "SELECT a, b FROM s.t", unqualified=True
    )


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(texts, texts.filter(bool))
@settings(max_examples=200)
def test_quoted_text_and_names_are_one_token_each(text: str, name: str) -> None:
    assert tokenize(f"SELECT {literal(text)} AS {ident(name)}") == [
        "SELECT",
        literal(text),
        "AS",
        ident(name),
    ]
