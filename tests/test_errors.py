"""What the operating system refuses is said as everything else is: what, where, and what to do."""

from __future__ import annotations

import errno
import os

import pytest

from wsdash.errors import InputError, system_failure

SITE = "name another directory"
CASES = {
    "a full disk wants room, whatever else was advised": (
        errno.ENOSPC,
        "the disk is full",
        "free some space",
    ),
    "a quota as well": (errno.EDQUOT, "the disk quota is used up", "free some space"),
    "anything else is the caller's advice": (errno.EACCES, "Permission denied", SITE),
}


def refused(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize("name", CASES)
def test_the_remedy_follows_from_what_was_refused(name: str) -> None:
    number, reason, remedy = CASES[name]
    told = system_failure(refused(number), "/state", "the lock cannot be written", remedy=SITE)
    assert told.what == f"the lock cannot be written: {reason}"
    assert told.remedy.startswith(remedy)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EMFILE, errno.ENOLCK, errno.EPERM])
def test_what_nobody_foresaw_has_a_remedy_too(number: int) -> None:
    told = system_failure(refused(number), "/state")
    assert (told.what, told.where) == (os.strerror(number), "/state")
    assert told.remedy


def test_the_file_that_the_error_names_is_the_place() -> None:
    assert system_failure(refused(errno.EIO, "/state/journal.db"), "/state").where == "/state/journal.db"


@pytest.mark.parametrize("error", [OSError(), OSError("no number"), OSError(99999, "")])
def test_an_error_without_words_still_says_something(error: OSError) -> None:
    assert system_failure(error).what


def test_bad_input_stays_bad_input() -> None:
    told = system_failure(refused(errno.ENOSPC), kind=InputError)
    assert isinstance(told, InputError)
    assert not isinstance(system_failure(refused(errno.ENOSPC)), InputError)
