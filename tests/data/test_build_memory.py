"""Index builds share what a container may use: each gets a part of half of it, never more than was set."""

from __future__ import annotations

import pytest

from wsdash.data.copy.indexes import within_limit

MIB = 2**20
CASES = {
    "it fits": ("64MB", 1024 * MIB, 2, "64MB"),
    "it fits exactly": ("256MB", 1024 * MIB, 2, "256MB"),
    "one builder takes at most half": ("1GB", 1024 * MIB, 1, "512MB"),
    "several share the half": ("1GB", 1024 * MIB, 4, "128MB"),
    "never less than a useful part": ("1GB", 64 * MIB, 8, "16MB"),
    "a bare number is kB": ("1048576", 1024 * MIB, 2, "256MB"),
    "kB": ("1048576kB", 1024 * MIB, 2, "256MB"),
    "TB": ("1TB", 1024 * MIB, 2, "256MB"),
    "bytes": ("1073741824B", 1024 * MIB, 2, "256MB"),
    "what cannot be read is kept": ("much", 64 * MIB, 8, "much"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_memory_of_each_build(name: str) -> None:
    wanted, limit, builders, given = CASES[name]
    assert within_limit(wanted, limit, builders) == given
