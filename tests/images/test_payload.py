"""Payload disks: named by their content, and equal for equal files."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.images import build_payload_disk, payload_digest
from edge_lab.images.contained import TOOLS, tool_path
from edge_lab.images.ext4 import Source, make_ext4, write_files
from edge_lab.provisioning.provision import PayloadFile

needs_mke2fs = pytest.mark.skipif(
    not all(shutil.which(tool, path=tool_path()) for tool in ("mke2fs", "debugfs")),
    reason="e2fsprogs is not installed",
)


def payload(folder: Path, path: str, content: bytes, *, executable: bool = True) -> PayloadFile:
    source = folder / path.replace("/", "-")
    source.write_bytes(content)
    return PayloadFile(path, source, hashlib.sha256(content).hexdigest(), executable)


def debugfs(disk: Path, request: str) -> str:
    tool = shutil.which("debugfs", path=tool_path()) or "debugfs"
    done = subprocess.run([tool, "-R", request, str(disk)], capture_output=True, check=True)
    return done.stdout.decode()


def test_the_order_of_files_does_not_count_and_all_else_does(tmp_path: Path) -> None:
    first = payload(tmp_path, "bin/one", b"1")
    second = payload(tmp_path, "bin/two", b"2")
    assert payload_digest([first, second]) == payload_digest([second, first])
    assert len({payload_digest(files) for files in ([], [first], [second], [first, second])}) == 4
    plain = payload(tmp_path, "bin/one", b"1", executable=False)
    assert payload_digest([plain]) != payload_digest([first])


@needs_mke2fs
def test_files_are_on_the_disk_as_they_were_given(tmp_path: Path) -> None:
    files = [
        payload(tmp_path, "bin/tool", b"#!/bin/sh\n"),
        payload(tmp_path, "images/a.tar", b"x" * 10_000, executable=False),
    ]
    disk = build_payload_disk(files, Deadline.after(60))
    assert debugfs(disk, "cat /bin/tool") == "#!/bin/sh\n"
    assert debugfs(disk, "cat /images/a.tar") == "x" * 10_000
    assert "Mode:  0755" in debugfs(disk, "stat /bin/tool")
    assert "Mode:  0644" in debugfs(disk, "stat /images/a.tar")
    assert "User:     0   Group:     0" in debugfs(disk, "stat /bin/tool")
    assert disk.stat().st_mode & 0o222 == 0


@needs_mke2fs
def test_equal_files_make_equal_bytes(tmp_path: Path) -> None:
    files = [payload(tmp_path, "bin/tool", b"content"), payload(tmp_path, "etc/x/y", b"z")]
    first = build_payload_disk(files, Deadline.after(60))
    content = first.read_bytes()
    first.unlink()
    assert build_payload_disk(files[::-1], Deadline.after(60)) == first
    assert first.read_bytes() == content


@needs_mke2fs
def test_what_is_made_is_taken_from_the_cache(tmp_path: Path) -> None:
    files = [payload(tmp_path, "bin/tool", b"content")]
    first = build_payload_disk(files, Deadline.after(60))
    made = first.stat()
    os.utime(first, (1, 1))
    second = build_payload_disk(files, Deadline.after(60)).stat()
    assert made.st_ino == second.st_ino
    assert second.st_mtime > made.st_mtime - 1  # which says when it was last used


@needs_mke2fs
def test_an_empty_payload_is_a_disk_too() -> None:
    assert build_payload_disk([], Deadline.after(60)).is_file()


def test_a_file_that_is_not_what_was_meant_is_an_error(tmp_path: Path, own_cache: Path) -> None:
    good = payload(tmp_path, "bin/tool", b"content")
    good.source.write_bytes(b"changed")
    with pytest.raises(LabError, match="was changed after it was built"):
        build_payload_disk([good], Deadline.after(60))
    assert not list((own_cache / "edge-lab/payloads").glob("*"))
    assert not list((own_cache / "edge-lab/tmp").glob("*.d"))


@pytest.mark.parametrize("path", ["/bin/x", "../x", "a/../../x", ".", "a b", 'a"b', "a\nb"])
def test_a_path_that_leads_out_of_the_disk_is_an_error(tmp_path: Path, path: str) -> None:
    file = payload(tmp_path, "x", b"")
    with pytest.raises(LabError, match="not a path below"):
        build_payload_disk([PayloadFile(path, file.source, file.sha256)], Deadline.after(60))


def test_one_path_for_two_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="two payload files"):
        build_payload_disk(
            [payload(tmp_path, "x", b"1"), payload(tmp_path, "x", b"2")], Deadline.after(60)
        )


def test_a_file_cannot_be_a_folder_too(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="both a file and a folder"):
        build_payload_disk(
            [payload(tmp_path, "bin", b"1"), payload(tmp_path, "bin/x", b"2")], Deadline.after(60)
        )


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = payload(tmp_path, "x", b"1")
    file.source.unlink()
    with pytest.raises(LabError, match=str(file.source)):
        build_payload_disk([file], Deadline.after(60))


@needs_mke2fs
def test_a_disk_too_small_for_its_files_is_an_error(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(b"x" * 3_000_000)
    with pytest.raises(LabError, match="mke2fs"):
        make_ext4(tmp_path / "disk", tree, mib=2, label="small", journal=False)
    make_ext4(tmp_path / "disk", None, mib=2, label="small", journal=False)
    links = tmp_path / "links"
    links.mkdir()
    with pytest.raises(LabError, match="debugfs"):
        write_files(tmp_path / "disk", {"big": Source(tree / "big", 0o644)}, links)


@needs_mke2fs
def test_a_file_whose_name_on_the_host_is_odd_is_written(tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" c'
    odd.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    disk = build_payload_disk([PayloadFile("bin/tool", odd, digest)], Deadline.after(60))
    assert debugfs(disk, "cat /bin/tool") == "content"


def test_each_tool_names_the_package_that_brings_it() -> None:
    assert TOOLS["mke2fs"] == "e2fsprogs"
