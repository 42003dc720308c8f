"""What a cache must not start with: files as nginx writes them, made here, and any others."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.cache.soundness import HEADER, VERSION, main, unsound

WHOLE = b"0123456789" * 100
DIGEST = hashlib.sha256(WHOLE).hexdigest()


def cached(key: str, content: bytes, *, start: int = 0, total: int | None = None) -> bytes:
    """A file of nginx's cache."""
    answer = b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n" % len(content)
    whole = len(content) if total is None else total
    answer += b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (start, start + len(content) - 1, whole)
    named = b"\nKEY: " + key.encode() + b"\n"
    filler = bytes(200)
    at = HEADER.size + len(filler) + len(named)
    return (
        HEADER.pack(VERSION, 0, 0, 0, 0, 0, 0, 0, at, at + len(answer))
        + filler
        + named
        + answer
        + content
    )


def slices() -> dict[str, bytes]:
    """A layer in two slices, a part of another, and a part of a data set."""
    half = len(WHOLE) // 2
    return {
        "first": cached(f"sha256:{DIGEST}bytes=0-499", WHOLE[:half], total=len(WHOLE)),
        "second": cached(
            f"sha256:{DIGEST}bytes=500-999", WHOLE[half:], start=half, total=len(WHOLE)
        ),
        "part": cached(f"sha256:{'0' * 64}bytes=0-499", WHOLE[:half], total=len(WHOLE)),
        "data": cached("/data/set.binbytes=0-499", b"any content"),
    }


def found(folder: Path, files: dict[str, bytes]) -> set[str]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {path.name for path in unsound(folder)}


def test_what_is_whole_stays(tmp_path: Path) -> None:
    assert found(tmp_path, slices()) == set()


def test_a_manifest_is_judged_by_its_digest(tmp_path: Path) -> None:
    files = {"manifest": cached(f"manifestsha256:{DIGEST}", WHOLE)}
    assert found(tmp_path, files) == set()
    assert found(tmp_path, {"manifest": cached(f"manifestsha256:{DIGEST}", WHOLE[1:])}) != set()


@pytest.mark.parametrize("name", ["first", "part", "data"])
def test_what_is_cut_off_goes(tmp_path: Path, name: str) -> None:
    files = slices()
    files[name] = files[name][:-5]
    assert found(tmp_path, files) == {name}


def test_a_layer_with_another_content_goes_as_a_whole(tmp_path: Path) -> None:
    files = slices()
    files["second"] = files["second"][:-1] + b"x"
    assert found(tmp_path, files) == {"first", "second"}


def test_what_goes_is_removed_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    main([str(tmp_path), str(tmp_path / "not there")])
    assert not (tmp_path / "junk").exists()
    assert "junk" in capsys.readouterr().out


@given(st.binary(max_size=400))
def test_other_bytes_are_not_sound_and_no_obstacle(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert found(Path(folder), {"any": content}) == {"any"}
