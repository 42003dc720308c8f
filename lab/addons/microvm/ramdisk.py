"""The initial RAM disk of microVMs: a static busybox, edge-hostile, and a script that runs it."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from edge_lab.addons.hostile.image import PROGRAM_PATH
from edge_lab.core.home import cache_home
from edge_lab.data import IMAGES
from edge_lab.images.initramfs import CpioEntry, cpio_archive

SCRIPT = IMAGES / "microvm" / "init"
APPLETS = ("echo", "mount", "reboot", "sh")
"""The busybox applets that the script uses."""

_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp")
_CONSOLE = (5, 1)


def ramdisk(busybox: bytes, program: bytes) -> bytes:
    """The archive; equal programs make equal bytes."""
    entries = [CpioEntry(folder, stat.S_IFDIR | 0o755) for folder in _FOLDERS]
    entries.append(CpioEntry("dev/console", stat.S_IFCHR | 0o600, device=_CONSOLE))
    entries.append(CpioEntry("bin/busybox", stat.S_IFREG | 0o755, busybox))
    entries += [CpioEntry(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox") for name in APPLETS]
    entries.append(CpioEntry(PROGRAM_PATH.removeprefix("/"), stat.S_IFREG | 0o755, program))
    entries.append(CpioEntry("init", stat.S_IFREG | 0o755, SCRIPT.read_bytes()))
    return cpio_archive(entries)


def kept_ramdisk(busybox: Path, program: Path) -> tuple[Path, str]:
    """The archive as a file of the cache, named by its digest, and the digest in hex."""
    content = ramdisk(busybox.read_bytes(), program.read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    folder = cache_home() / "microvm"
    kept = folder / f"{digest}.cpio"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(kept)
    return kept, digest
