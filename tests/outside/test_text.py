"""What a text may not do to a terminal: every harmful character is written out, everything else stays."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdash.model import Notice
from wsdash.outside import HARMFUL, change_texts, clean, clean_texts, without_sequences

ATTACKS = (
    "\x1b]52;c;cm0gLXJm\x07",  # OSC 52: the clipboard
    "\x1b[2J\x1b[31m",  # CSI
    "\x1bP+q544e\x1b\\",  # DCS
    "\x9b31m\x9d0;title\x9c",  # the same as C1 controls
    "\u202eexe.txt\u2066",  # bidi overrides
    "ta\u200bble\ufeff\u00ad",  # what nobody sees
    "\rover\x08written\x7f",
)


@given(st.text())
def test_nothing_that_acts_stays_and_a_cleaned_text_is_clean(text: str) -> None:
    shown = clean(text)
    assert HARMFUL.search(shown) is None
    assert clean(shown) == shown
    assert all(sign in "\n\t" or unicodedata.category(sign) != "Cc" for sign in shown)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_what_is_only_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_every_attack_is_shown_instead_of_obeyed() -> None:
    for attack in ATTACKS:
        assert clean(attack) != attack
        assert "\x1b" not in clean(attack)
    assert clean("ta\u200bble") == "ta\\u200bble"
    assert clean("\x1b[31m") == "\\x1b[31m"
    assert clean("two\r\nlines\tand a tab") == "two\nlines\tand a tab"


def test_two_names_that_differ_stay_different() -> None:
    names = ["table", "tab\u200ble", "tab\x1ble", "table\u202e"]
    assert len({clean(name) for name in names}) == len(names)


def test_a_text_is_bounded() -> None:
    assert clean("x" * 50, 10) == "x" * 10 + "…"


def test_colours_leave_a_log_line_without_a_trace() -> None:
    assert (
        without_sequences("\x1b[1;31mERROR\x1b[0m disk \x1b]8;;http://x\x1b\\full\x1b]8;;\x1b\\")
        == "ERROR disk full"
    )


@pytest.mark.parametrize(
    "sequence",
    ["\x1b(B", "\x1b)0", "\x1b#8", "\x1b7", "\x1bM", "\x1b=", "\x1bP1$r0m\x1b\\", "\x1b_x\x1b\\"],
)
def test_no_sequence_leaves_rubbish_in_a_log_line(sequence: str) -> None:
    assert without_sequences(f"a{sequence}b") == "ab"


def test_every_text_of_an_event_and_of_a_dictionary_is_cleaned() -> None:
    assert clean_texts(Notice("warning", "a\x1bb")).text == "a\\x1bb"
    assert clean_texts({"k\x07": ["v\x07", {"n": ("t\x07", 1)}]}) == {
        "k\\x07": ["v\\x07", {"n": ("t\\x07", 1)}]
    }
    same = Notice("info", "nothing")
    assert clean_texts(same) is same


def test_values_nested_without_end_are_walked_to_a_bound() -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    assert "…" in msgspec.json.encode(change_texts(deep, lambda _, text: text)).decode()
