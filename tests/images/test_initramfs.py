"""The initial RAM disk: a cpio archive that others can read, and the script in it."""

from __future__ import annotations

import lzma
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.images.initramfs import (
    APPLETS,
    CpioEntry,
    build_initramfs,
    cpio_archive,
    plain_module,
)
from edge_lab.images.recipe import INITRAMFS, ROOT


def members(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content by path, read as the kernel's documentation describes the format."""
    found: dict[str, tuple[int, bytes]] = {}
    offset = 0
    while True:
        assert archive[offset : offset + 6] == b"070701"
        fields = [
            int(archive[offset + 6 + 8 * index : offset + 14 + 8 * index], 16)
            for index in range(13)
        ]
        mode, size, name_size = fields[1], fields[6], fields[11]
        start = offset + 110
        name = archive[start : start + name_size - 1].decode()
        assert archive[start + name_size - 1] == 0
        content_at = (start + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, archive[content_at : content_at + size])
        offset = (content_at + size + 3) // 4 * 4


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1).filter(
    lambda name: name not in (".", "..", "TRAILER!!!")
)


@given(st.dictionaries(names, st.binary(max_size=300), max_size=8))
def test_what_is_packed_is_what_is_unpacked(files: dict[str, bytes]) -> None:
    entries = [CpioEntry(name, stat.S_IFREG | 0o644, content) for name, content in files.items()]
    archive = cpio_archive(entries)
    assert len(archive) % 512 == 0
    assert members(archive) == {
        name: (stat.S_IFREG | 0o644, content) for name, content in files.items()
    }


def test_the_initial_ram_disk_holds_all_that_the_script_needs(tmp_path: Path) -> None:
    first = tmp_path / "virtio-rng.ko.xz"
    first.write_bytes(lzma.compress(b"module one"))
    second = tmp_path / "ext4.ko"
    second.write_bytes(b"module two")
    archive = build_initramfs(b"busybox", b"#!/bin/sh\n", [first, second])
    found = members(archive)
    assert found["init"] == (stat.S_IFREG | 0o755, b"#!/bin/sh\n")
    assert found["modules/order"][1] == b"virtio-rng.ko\next4.ko\n"
    assert found["modules/virtio-rng.ko"][1] == b"module one"
    assert stat.S_ISCHR(found["dev/console"][0])
    assert found["bin/sh"] == (stat.S_IFLNK | 0o777, b"busybox")
    assert archive == build_initramfs(b"busybox", b"#!/bin/sh\n", [first, second])


@pytest.mark.skipif(not shutil.which("cpio"), reason="cpio is not installed")
def test_cpio_reads_the_archive(tmp_path: Path) -> None:
    archive = build_initramfs(b"busybox", b"#!/bin/sh\n", [])
    listed = subprocess.run(
        ["cpio", "--list", "--quiet"], input=archive, capture_output=True, check=True
    )
    assert {"init", "bin/busybox", "dev/console", "modules/order"} <= set(
        listed.stdout.decode().split()
    )


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed")
def test_modules_packed_with_zstd_are_unpacked(tmp_path: Path) -> None:
    plain = tmp_path / "a.ko"
    plain.write_bytes(b"module")
    subprocess.run(["zstd", "--quiet", str(plain)], check=True)
    assert plain_module(tmp_path / "a.ko.zst") == b"module"


def test_the_script_is_one_of_the_shell_and_calls_only_what_is_there() -> None:
    script = (ROOT / INITRAMFS / "init").read_text()
    subprocess.run(["sh", "-n"], input=script.encode(), check=True)
    words = {line.split()[0] for line in script.splitlines() if line.split()}
    assert {"mount", "insmod", "tar", "sleep"} & words <= set(APPLETS)
    assert "exec switch_root /root" in script
