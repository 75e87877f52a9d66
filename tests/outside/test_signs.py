"""Our signs in plain characters: the same width, the same meaning, wherever a stream has no UTF-8."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wsdash.outside import PLAIN_SIGNS, in_plain, plain_signs_wanted
from wsdash.tui.drawn.looks import BARS, ENGINE, ITEM, KIND, LIVENESS, NOTICE, SPINNER


def test_every_sign_of_ours_has_a_plain_one() -> None:
    looks = [*ITEM.values(), *KIND.values(), *LIVENESS.values(), *ENGINE.values(), *NOTICE.values()]
    ours = "".join(look.glyph for look in looks) + SPINNER + BARS + "─│╭╮╰╯━┄❯↑↓⏎…"
    plain = in_plain(ours)
    assert plain.isascii()
    assert plain.count("?") == ours.count("?")


def test_done_and_failed_stay_apart() -> None:
    signs = [in_plain(ITEM[state].glyph) for state in ITEM]
    assert len(set(signs)) == len(signs)


@given(st.text(st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Co", "Cn"))))
def test_plain_text_takes_as_many_cells(text: str) -> None:
    plain = in_plain(text)
    assert plain.isascii()
    if all(cell_len(sign) in (1, 2) for sign in text):
        assert abs(len(plain) - cell_len(text)) <= sum(cell_len(sign) != 1 for sign in text)


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({}, False),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LANG": "de_DE.utf8"}, False),
        ({"LANG": "en_US"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "de_DE.ISO-8859-1"}, True),
        ({"LC_ALL": "de_DE.ISO-8859-15@euro"}, True),
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "", "LANG": "ja_JP.eucJP"}, True),
    ],
)
def test_the_locale_says_which_signs_are_wanted(environment: dict[str, str], plain: bool) -> None:
    assert plain_signs_wanted(environment) is plain


def test_a_stream_gets_plain_signs_only_for_what_it_lacks() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1", errors=PLAIN_SIGNS)
    stream.write("✓ größer … ✗")
    stream.flush()
    assert raw.getvalue().decode("latin-1") == "v größer . x"
