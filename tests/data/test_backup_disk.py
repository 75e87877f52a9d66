"""Free space is asked first; a full disk gives its reason and leaves nothing; dead writers' files go."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from wsdash.data.backup.file import BackupWriter
from wsdash.data.backup.partial import open_partial, remove_leftovers, require_space, write_failure
from wsdash.errors import InputError, WsdashError
from wsdash.model.written import size


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_missing_space_is_told_with_purpose_place_and_amount(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(WsdashError) as caught:
        await require_space(tmp_path, free + 5_000_000_000, "a backup of schema workspace")
    assert "a backup of schema workspace" in caught.value.what
    assert "GiB are missing" in caught.value.what
    assert caught.value.where == str(tmp_path)
    assert caught.value.remedy


async def test_enough_space_passes(tmp_path: Path) -> None:
    await require_space(tmp_path, 1, "one byte")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (999, "999 B"),
        (1024, "1.0 KiB"),
        (3_565_158, "3.4 MiB"),
        (5 * 2**29, "2.5 GiB"),
        (7 * 2**40, "7.0 TiB"),
    ],
)
def test_sizes_are_readable(amount: int, text: str) -> None:
    assert size(amount) == text


def test_a_really_full_device_is_called_full(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="No space left") as caught,
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    told = write_failure(caught.value, tmp_path / "b.sql", 1_500_000)
    assert told.what == "the disk is full: writing b.sql stopped after 1.4 MiB"
    assert told.where == str(tmp_path)


async def test_the_file_appears_only_when_published(tmp_path: Path) -> None:
    writer = BackupWriter(tmp_path / "b.sql")
    await writer.open()
    await writer.write(b"one\n" * 200_000)
    assert [name.startswith(".") for name in names(tmp_path)] == [True]
    await writer.publish()
    assert names(tmp_path) == ["b.sql"]
    assert writer.bytes == 800_000


async def test_a_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    writer = BackupWriter(tmp_path / "b.sql")
    await writer.open()
    await writer.write(b"x" * 1_000_000)
    await writer.discard()
    assert names(tmp_path) == []


async def test_an_existing_backup_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        await BackupWriter(tmp_path / "b.sql").open()
    assert (tmp_path / "b.sql").read_text() == "precious"


def test_a_full_disk_while_writing_says_so_and_removes_the_file(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, resource, sys
        from pathlib import Path
        from wsdash.data.backup.file import BackupWriter
        from wsdash.errors import WsdashError

        async def main() -> None:
            writer = BackupWriter(Path(sys.argv[1]) / "b.sql")
            await writer.open()
            try:
                for _ in range(100):
                    await writer.write(b"x" * 100_000)
            except WsdashError as error:
                await writer.discard()
                print(error)

        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        asyncio.run(main())
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "writing b.sql stopped after 977 KiB" in done.stdout
    assert "limit is reached" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dead_writers_file_is_removed_and_a_living_ones_stays(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from wsdash.data.backup.partial import open_partial\n"
        "print(open_partial(pathlib.Path(sys.argv[1]) / 'dead.sql')[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        dead = Path(child.stdout.readline().strip())
        assert remove_leftovers(tmp_path) == []
        child.kill()
        child.wait(10)
        descriptor, living = open_partial(tmp_path / "living.sql")
        assert remove_leftovers(tmp_path) == [dead]
    assert list(tmp_path.iterdir()) == [living]
    assert descriptor >= 0


async def test_writing_does_not_hold_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turned = threading.Event()
    usual = BackupWriter._write

    def held(writer: BackupWriter, batch: list[bytes]) -> None:
        assert turned.wait(60), "the event loop has no turn while the disk is written to"
        usual(writer, batch)

    monkeypatch.setattr(BackupWriter, "_write", held)
    writer = BackupWriter(tmp_path / "b.sql")
    await writer.open()
    asyncio.get_running_loop().call_soon(turned.set)
    await writer.write(bytes(50_000_000))
    assert writer.bytes == 50_000_000
    await writer.discard()
