"""An export is imported whole and verified, or not at all."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_lab.artifacts.cache import ArtifactCache
from edge_lab.artifacts.model import Component
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import cache_home
from edge_lab.topology import Arch
from edge_lab.upkeep.contents import size_on_disk
from edge_lab.upkeep.export import chosen_entries, export
from edge_lab.upkeep.importing import Imported, import_archive
from edge_lab.upkeep.uses import uses_of
from tests.upkeep.conftest import DIGEST, DISK_BYTES, KEY, tree

ARTIFACT = "artifacts/kubelet/v1.0+x-x86_64-ffffffffffffffff"
DISK = f"images/x86_64-{DIGEST[:16]}"


def written(cache: Path, archive: Path, *, checkpoints: bool = False) -> Path:
    entries = chosen_entries(cache, uses_of(cache), checkpoints=checkpoints)
    export(cache, entries, archive, Deadline.after(60))
    return archive


def taken(archive: Path) -> Imported:
    return import_archive(cache_home(), archive, Deadline.after(60))


def emptied(home: Path) -> None:
    for folder in home.iterdir():
        shutil.rmtree(folder)


def test_what_was_exported_is_imported_as_it_was(filled: Path, tmp_path: Path) -> None:
    archive = written(filled, tmp_path / "cache.tar")
    before = tree(filled / "artifacts") | tree(filled / "images")
    emptied(filled)
    done = taken(archive)
    assert [entry.place for entry in done.added] == [ARTIFACT, DISK]
    assert tree(filled / "artifacts") | tree(filled / "images") == before
    assert not (filled / "checkpoints").exists()
    found = ArtifactCache(filled / "artifacts").look(
        Component("kubelet", "v1.0+x"), Arch.X86_64, "f" * 64
    )
    assert found is not None
    assert found.source == "test"
    assert taken(archive).added == ()


def test_holes_take_no_room_in_the_archive_nor_in_the_cache(filled: Path, tmp_path: Path) -> None:
    archive = written(filled, tmp_path / "cache.tar")
    assert archive.stat().st_size < DISK_BYTES / 8
    with tarfile.open(archive) as tar:  # what others read of it
        content = tar.extractfile(f"{DISK}/disk.raw")
        assert content is not None
        assert content.read() == (filled / DISK / "disk.raw").read_bytes()
    emptied(filled)
    taken(archive)
    assert (filled / DISK / "disk.raw").stat().st_size == DISK_BYTES
    assert size_on_disk(filled / DISK / "disk.raw") < DISK_BYTES / 8


def test_an_archive_is_its_owners_alone(filled: Path, tmp_path: Path) -> None:
    assert written(filled, tmp_path / "cache.tar").stat().st_mode & 0o777 == 0o600


def test_checkpoints_come_with_what_they_stand_on(filled: Path, tmp_path: Path) -> None:
    archive = written(filled, tmp_path / "cache.tar", checkpoints=True)
    before = tree(filled / "checkpoints")
    emptied(filled)
    places = {entry.place for entry in taken(archive).added}
    assert places == {ARTIFACT, DISK, "payloads/used.ext4", f"checkpoints/{KEY}"}
    assert tree(filled / "checkpoints") == before
    assert (filled / "checkpoints" / KEY / "devices" / "boiler").is_dir()
    assert (filled / "checkpoints" / KEY / "keys").stat().st_mode & 0o777 == 0o700


def test_a_checkpoint_is_left_out_where_the_cache_has_another_path(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = written(filled, tmp_path / "cache.tar", checkpoints=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    done = taken(archive)
    assert [entry.place for entry, _ in done.unfit] == [f"checkpoints/{KEY}"]
    assert not (tmp_path / "elsewhere" / "edge-lab" / "checkpoints" / KEY).exists()
    assert (tmp_path / "elsewhere" / "edge-lab" / DISK).is_dir()


def test_a_checkpoint_is_left_out_over_another_root_disk(filled: Path, tmp_path: Path) -> None:
    """Of the same recipe, with other bytes: its overlays would make one of neither."""
    archive = written(filled, tmp_path / "cache.tar", checkpoints=True)
    shutil.rmtree(filled / "checkpoints")
    (filled / DISK / "disk.raw").write_bytes(b"other" * 1000)
    done = taken(archive)
    assert [entry.place for entry, _ in done.unfit] == [f"checkpoints/{KEY}"]


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        export(cache_home(), [], tmp_path / "cache.tar", Deadline.after(60))
    assert list(tmp_path.iterdir()) == []


def test_an_entry_with_a_link_in_it_is_not_exported(filled: Path, tmp_path: Path) -> None:
    (filled / DISK / "link").symlink_to("/etc/passwd")
    with pytest.raises(LabError, match="neither a file nor a folder"):
        written(filled, tmp_path / "cache.tar")
    assert list(tmp_path.iterdir()) == []


# -- archives that are refused -----------------------------------------------------------

Alter = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def altered(archive: Path, alter: Alter) -> Path:
    """The archive with other members; what is sparse becomes whole."""
    members = []
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            plain = tarfile.TarInfo(member.name)
            plain.mode = member.mode
            members.append((plain, content.read()))
    alter(members)
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return archive


def _of_manifest(change: Callable[[dict[str, Any]], None]) -> Alter:
    def alter(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(members[0][1])
        change(manifest)
        members[0] = (members[0][0], json.dumps(manifest).encode())

    return alter


def _entry(members: list[tuple[tarfile.TarInfo, bytes]], **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(members[2][0], name, value)


def _flip(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    member, data = members[2]
    members[2] = (member, bytes([data[0] ^ 1]) + data[1:])


def _add(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Alter:
    def alter(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        members.append((member, b"x"))

    return alter


def _rename(name: str) -> Alter:
    """A member and its line of the manifest."""

    def alter(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(members[0][1])
        entry = manifest["entries"][0]
        entry["files"][1]["path"] = name
        members[0] = (members[0][0], json.dumps(manifest).encode())
        members[2][0].name = f"{ARTIFACT}/{name}"

    return alter


REFUSED: dict[str, Alter] = {
    "another byte": _flip,
    "a file less": lambda members: members.__delitem__(2),
    "a file twice": lambda members: members.append(members[2]),
    "a file more": _add("artifacts/more"),
    "no manifest": lambda members: members.__delitem__(0),
    "above the cache": _add("../../escaped"),
    "an absolute path": _add("/tmp/escaped"),
    "above, in the manifest too": _rename("../../../../escaped"),
    "absolute, in the manifest too": _rename("/tmp/escaped"),
    "a symbolic link": lambda members: _entry(members, type=tarfile.SYMTYPE, linkname="/etc"),
    "a hard link": lambda members: _entry(members, type=tarfile.LNKTYPE, linkname="manifest.json"),
    "a device": lambda members: _entry(members, type=tarfile.CHRTYPE),
    "a pipe": lambda members: _entry(members, type=tarfile.FIFOTYPE),
    "an owner by number": lambda members: _entry(members, uid=1000),
    "an owner by name": lambda members: _entry(members, uname="mallory"),
    "rights of its owner": lambda members: _entry(members, mode=0o4755),
    "another format": _of_manifest(lambda manifest: manifest.update(format=2)),
    "another kind": _of_manifest(lambda manifest: manifest["entries"][0].update(kind="labs")),
    "a name that is a path": _of_manifest(
        lambda manifest: manifest["entries"][0].update(name="../labs/default")
    ),
    "an artifact of another name": _of_manifest(
        lambda manifest: manifest["entries"][0].update(name="kubelet/v9")
    ),
}


@pytest.mark.parametrize("alter", REFUSED.values(), ids=REFUSED)
def test_an_altered_archive_is_refused_and_adds_nothing(
    filled: Path, tmp_path: Path, alter: Alter
) -> None:
    archive = altered(written(filled, tmp_path / "cache.tar"), alter)
    emptied(filled)
    with pytest.raises(InputError):
        taken(archive)
    assert tree(filled) == {}
    assert [path.name for path in tmp_path.rglob("*")] == ["cache.tar"]
    assert not (filled.parent / "escaped").exists()


def test_an_artifact_that_is_not_what_its_record_says_is_refused(
    filled: Path, tmp_path: Path
) -> None:
    """By whoever made the archive: its manifest agrees with it."""
    file = filled / ARTIFACT / "kubelet"
    file.chmod(0o755)
    file.write_bytes(b"something else")
    archive = written(filled, tmp_path / "cache.tar")
    emptied(filled)
    with pytest.raises(InputError, match="does not match its own record"):
        taken(archive)
    assert tree(filled) == {}


def test_half_an_archive_is_refused(filled: Path, tmp_path: Path) -> None:
    archive = written(filled, tmp_path / "cache.tar")
    os.truncate(archive, archive.stat().st_size // 2)
    emptied(filled)
    with pytest.raises(InputError):
        taken(archive)
    assert tree(filled) == {}


@pytest.mark.parametrize("content", [b"", b"\0" * 10240, b"no tar" * 1000])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "cache.tar"
    archive.write_bytes(content)
    with pytest.raises(InputError):
        taken(archive)


def test_an_import_does_not_follow_a_link_in_the_cache(filled: Path, tmp_path: Path) -> None:
    archive = written(filled, tmp_path / "cache.tar")
    emptied(filled)
    (tmp_path / "other").mkdir()
    (filled / "images").symlink_to(tmp_path / "other")
    with pytest.raises(LabError, match="is a link"):
        taken(archive)
    assert list((tmp_path / "other").iterdir()) == []


def test_a_folder_of_somebody_else_is_refused(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = written(filled, tmp_path / "cache.tar")
    monkeypatch.setattr(os, "geteuid", lambda: filled.stat().st_uid + 1)
    with pytest.raises(LabError, match="belongs to another user"):
        taken(archive)


def test_an_import_that_ends_half_way_adds_nothing(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = written(filled, tmp_path / "cache.tar")
    emptied(filled)
    monkeypatch.setattr(os, "fsync", _full_after(2))
    with pytest.raises(LabError, match="the disk is full"):
        taken(archive)
    assert tree(filled) == {}


def _full_after(calls: int) -> Callable[[int], None]:
    done = 0

    def sync(descriptor: int) -> None:
        nonlocal done
        done += 1
        if done > calls:
            raise OSError(28, "No space left on device")

    return sync
