"""Which variables compose files name: wsdash's own secrets go to compose only where a file asks for them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

MOST_FILES = 500
LARGEST_FILE = 1 << 20
_WORD = re.compile(r"[^\s\"'\[\]{},=]+")
_NAMES_FILES = re.compile(r"\b(?:include|extends|env_file)\b")
_OUT_OF_REACH = re.compile(r"://|git@|oci:|\$\S*(?:/|\.ya?ml|\.env)")
"""A file of another machine, or one whose name a variable completes."""


def without_unnamed(secrets: Iterable[str], files: Sequence[str]) -> dict[str, str]:
    """Our environment for the compose command, less the secret variables that nothing there names.

    Read are the files, the `.env` beside each, and every file that one of them names (include, extends,
    env_file, also where it is only mounted). A variable is handed on when its name is anywhere in these, and
    all are where not every file can be read: compose would take an empty value for a missing one.
    """
    withheld = unnamed(secrets, files)
    return {name: value for name, value in os.environ.items() if name not in withheld}


def unnamed(secrets: Iterable[str], files: Sequence[str]) -> frozenset[str]:
    """Those of the variables that no file names."""
    left = frozenset(secrets)
    waiting = [Path(file).absolute() for file in files]
    seen = set(waiting)
    while waiting and left:
        file = waiting.pop()
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
        except FileNotFoundError:
            continue
        except OSError:
            return frozenset()
        if b"\0" in content:
            continue  # a program, such as an entrypoint's /bin/sh: compose reads no variables there
        if len(content) > LARGEST_FILE:
            return frozenset()
        text = content.decode("utf-8", "replace")
        if _NAMES_FILES.search(text) and _OUT_OF_REACH.search(text):
            return frozenset()
        left -= {name for name in left if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
        directories = {file.parent, *(Path(first).parent for first in files)}
        for named in (file.with_name(".env"), *_files(set(_WORD.findall(text)), directories)):
            if named not in seen:
                seen.add(named)
                waiting.append(named)
        if len(seen) > MOST_FILES:
            return frozenset()
    return left


def _files(words: Iterable[str], directories: set[Path]) -> list[Path]:
    """The regular files that words name, seen from the directories."""
    found = []
    for word in words:
        for part in (word, word.partition(":")[0]):
            if len(part) > 1 and "\0" not in part and len(part) < 1000:
                found += [path for at in directories if _may_be_file(path := (at / part).absolute())]
    return found


def _may_be_file(path: Path) -> bool:
    """Whether it is a regular file, or may be one that we are not allowed to see."""
    try:
        return path.is_file()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG  # a word that is too long for any file's name
