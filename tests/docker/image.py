"""The image that every container of the tests runs: Debian with its PostgreSQL and Python, from no registry.

mmdebstrap makes the root file system from the host's own Debian release, so the image's Python can load the
packages of the tests' environment. The archive is kept: a machine builds it once.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGE = "wsdash-test:1"
BUILD_SECONDS = 420
_POSTGRESQL = {"bookworm": 15, "trixie": 17}
"""Debian's release -> its version of PostgreSQL; the compose files of the tests have both on their PATH."""
_FETCHING = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
_LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/i18n/*",
    # PostgreSQL's JIT compiler: a third of the image
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libz3*",
    "/usr/lib/llvm*",
    "/usr/lib/postgresql/*/lib/bitcode/*",
    "/usr/lib/postgresql/*/lib/llvmjit*",
)
_BEFORE = (
    'mkdir -p "$1/etc/postgresql-common"',
    'echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"',
)
# what Neon's own images have: their users and directories
_AFTER = (
    'chroot "$1" useradd -M -d /data neon',
    'mkdir -p "$1/data/.neon" "$1/var/db/postgres" "$1/standin"',
    'chroot "$1" chown neon /data/.neon',
    'chroot "$1" chown postgres /var/db/postgres /standin',
)


def archive() -> Path:
    """The image's root file system as a tar file, built now when this machine has none yet (about 40 s).

    Raises RuntimeError with mmdebstrap's own words.
    """
    argv = _argv()
    digest = hashlib.sha256("\n".join([*argv, _suite()]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wsdash-tests"
    kept = cache / f"image-{digest}.tar"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        made = Path(scratch) / "image.tar"
        done = subprocess.run(
            [*argv, *_as_this_machine_fetches(), _suite(), str(made), *_sources()],
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"mmdebstrap ended with exit code {done.returncode}:\n{done.stderr[-3000:]}")
        made.replace(kept)
    return kept


def python_fits(suite: str | None = None) -> str:
    """'' when the release's Python is the tests' own; else why it is not."""
    wanted = {"bookworm": (3, 11), "trixie": (3, 13)}.get(suite or _suite())
    if wanted is None or wanted == sys.version_info[:2]:
        return ""
    return (
        f"Debian {_suite()} has Python {wanted[0]}.{wanted[1]}, the tests run on {platform.python_version()}"
    )


def _suite() -> str:
    found = platform.freedesktop_os_release()
    return found.get("VERSION_CODENAME", "bookworm") if found.get("ID") == "debian" else "bookworm"


def _argv() -> list[str]:
    program = shutil.which("mmdebstrap") or "mmdebstrap"
    packages = f"postgresql-{_POSTGRESQL.get(_suite(), 15)},python3,curl"
    argv = [program, "--mode=root", "--variant=minbase", "--format=tar", f"--include={packages}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    argv += [f"--essential-hook={command}" for command in _BEFORE]
    argv += [f"--customize-hook={command}" for command in _AFTER]
    return argv


def _as_this_machine_fetches() -> list[str]:
    """The host's own ways to its mirror (proxies, checks of dates), as mmdebstrap's options."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    return [f"--aptopt={line}" for line in dump.splitlines() if line.startswith(_FETCHING)]


def _sources() -> list[str]:
    """The host's own package sources when it is a Debian; else mmdebstrap's default."""
    if platform.freedesktop_os_release().get("ID") != "debian":
        return []
    files = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d/debian.sources"))
    return [str(file) for file in files if file.is_file() and "debian" in file.read_text()]


if __name__ == "__main__":
    print(archive())
