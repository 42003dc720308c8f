"""One file out of a tarball, whatever else the tarball holds."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.artifacts.model import SourceFailed
from edge_lab.artifacts.tarball import extract

MEMBER = "edge/edgecore"


@contextlib.contextmanager
def a_room() -> Iterator[Path]:
    """A folder for one example."""
    with tempfile.TemporaryDirectory() as room:
        yield Path(room)


def pack(file: Path, entries: list[tuple[str, bytes]], kind: str = "w:gz") -> None:
    with tarfile.open(file, kind) as archive:  # type: ignore[call-overload]
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("name", [MEMBER, f"./{MEMBER}", f"top/{MEMBER}", f"./top/{MEMBER}"])
def test_the_member_is_found_below_any_top_folder(tmp_path: Path, name: str, kind: str) -> None:
    pack(
        tmp_path / "t", [("version", b"1"), (name, b"program"), ("edge/edgecore.yaml", b"x")], kind
    )
    extract(tmp_path / "t", MEMBER, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"program"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t", "w:gz") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"top/{MEMBER}")
            link.type = kind
            link.linkname = "/etc/passwd"
            archive.addfile(link)
    with pytest.raises(SourceFailed, match=f"contains no {MEMBER}"):
        extract(tmp_path / "t", MEMBER, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_else_is_written_wherever_it_wants_to_go(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    entries = [("../escaped", b"x"), (str(tmp_path / "absolute"), b"x"), (MEMBER, b"program")]
    pack(tmp_path / "t", [*entries, (f"../../{MEMBER}", b"deeper")])
    extract(tmp_path / "t", MEMBER, room / "out")
    assert (room / "out").read_bytes() == b"program"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "room", "t"]


folders = st.sampled_from(["", "top/", "a/b/", "../", "/"])
others = st.sampled_from(["edge/other", "edgecore", "cloud/cloudcore", "edge/edgecore/x"])


@given(st.lists(st.tuples(folders, st.one_of(st.just(MEMBER), others)), max_size=6))
def test_it_is_taken_if_there_is_exactly_one(
    entries: list[tuple[str, str]],
) -> None:
    names = [folder + name for folder, name in entries]
    one_folder = {MEMBER, f"top/{MEMBER}", f"../{MEMBER}", f"/{MEMBER}"}
    matching = [name for name in names if name in one_folder]
    with a_room() as room:
        pack(room / "t", [(name, name.encode()) for name in names])
        if len(matching) == 1:
            extract(room / "t", MEMBER, room / "out")
            assert (room / "out").read_bytes() == matching[0].encode()
        else:
            with pytest.raises(SourceFailed, match="contains"):
                extract(room / "t", MEMBER, room / "out")
            assert not (room / "out").exists()


@given(st.binary(max_size=300))
def test_no_content_whatever_breaks_it(content: bytes) -> None:
    with a_room() as room:
        (room / "t").write_bytes(content)
        with pytest.raises(SourceFailed):
            extract(room / "t", MEMBER, room / "out")


@given(st.integers(min_value=1, max_value=400), st.integers(min_value=0, max_value=255))
def test_a_damaged_tarball_gives_the_member_or_a_reason(at: int, value: int) -> None:
    with a_room() as room:
        pack(room / "t", [(f"top/{MEMBER}", bytes(range(256)))])
        content = bytearray((room / "t").read_bytes())
        content[at % len(content)] = value
        (room / "t").write_bytes(content)
        with contextlib.suppress(SourceFailed):
            extract(room / "t", MEMBER, room / "out")
            assert (room / "out").is_file()
