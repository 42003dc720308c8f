"""The initial RAM disk: a static busybox, the modules that find the root disk, one script.

A cpio archive (format "newc", Linux Documentation/driver-api/early-userspace/
buffer-format.rst), uncompressed, since an emulated CPU unpacks slowly.  It is written here,
since cpio(1) needs root to create the device node of the console.
"""

from __future__ import annotations

import lzma
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.errors import LabError

APPLETS = ("cat", "insmod", "mount", "sh", "sleep", "switch_root", "tar")
"""The programs of busybox that the script uses."""

_FOLDERS = ("bin", "dev", "modules", "proc", "root", "sys")
_CONSOLE = (5, 1)
_ALIGNMENT = 4
_BLOCK = 512
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class CpioEntry:
    """One member. `mode` includes the type, `device` is (major, minor) of a device node."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def cpio_archive(entries: Iterable[CpioEntry]) -> bytes:
    """The archive of `entries` in their order; all belong to root and have the time 0."""
    whole = bytearray()
    for number, entry in enumerate([*entries, CpioEntry(_TRAILER, 0)], start=1):
        name = entry.path.encode() + b"\0"
        fields = (
            *(number, entry.mode, 0, 0, 1, 0, len(entry.content)),
            *(0, 0, *entry.device, len(name), 0),
        )
        whole += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        whole += bytes(-len(whole) % _ALIGNMENT) + entry.content
        whole += bytes(-len(whole) % _ALIGNMENT)
    return bytes(whole) + bytes(-len(whole) % _BLOCK)


def needed_modules(root: Path, kernel: str, wanted: Iterable[str]) -> tuple[Path, ...]:
    """The module files for `wanted` below `root`, each after its dependencies.

    depmod must have run for `kernel`.  Built-in modules have no file.
    """
    files: dict[Path, None] = {}
    for name in wanted:
        asked = subprocess.run(
            ["modprobe", "-d", str(root), "-S", kernel, "--show-depends", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode:
            raise LabError(f"kernel {kernel} has no module {name}: {asked.stderr.strip()}")
        for line in asked.stdout.splitlines():
            verb, _, rest = line.partition(" ")
            if verb == "insmod":
                files[Path(rest.split()[0])] = None
    return tuple(files)


def plain_module(file: Path) -> bytes:
    """The content of a kernel module, unpacked."""
    if file.suffix == ".xz":
        return lzma.decompress(file.read_bytes())
    if file.suffix == ".zst":
        return subprocess.run(
            ["zstd", "--decompress", "--stdout", "--quiet", str(file)],
            check=True,
            capture_output=True,
        ).stdout
    return file.read_bytes()


def build_initramfs(busybox: bytes, script: bytes, modules: Iterable[Path]) -> bytes:
    """The initial RAM disk. `modules` are loaded in their order."""
    entries = [CpioEntry(folder, stat.S_IFDIR | 0o755) for folder in _FOLDERS]
    entries.append(CpioEntry("dev/console", stat.S_IFCHR | 0o600, device=_CONSOLE))
    entries.append(CpioEntry("bin/busybox", stat.S_IFREG | 0o755, busybox))
    entries += [CpioEntry(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox") for name in APPLETS]
    order = ""
    for file in modules:
        name = file.name.partition(".")[0] + ".ko"
        order += f"{name}\n"
        entries.append(CpioEntry(f"modules/{name}", stat.S_IFREG | 0o644, plain_module(file)))
    entries.append(CpioEntry("modules/order", stat.S_IFREG | 0o644, order.encode()))
    entries.append(CpioEntry("init", stat.S_IFREG | 0o755, script))
    return cpio_archive(entries)
