from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.artifacts.checksums import Digest, parse_checksums

SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
SHA512 = st.binary(min_size=64, max_size=64).map(bytes.hex)
HEX = st.one_of(SHA256, SHA512)
NAMES = st.text("abcdefgh0123456789._-", min_size=1, max_size=20).filter(
    lambda name: not set(name) <= set("0123456789abcdef.")
)
NOISE = st.lists(st.sampled_from(["", "# comment", "-----BEGIN PGP-----", "   "]), max_size=3)


@given(HEX, NAMES, NOISE, NOISE)
def test_a_bare_digest_speaks_of_the_file_it_lies_beside(
    hex_: str, name: str, before: list[str], after: list[str]
) -> None:
    text = "\n".join([*before, hex_.upper(), *after])
    found = parse_checksums(text, name)
    assert found is not None
    assert found.hex == hex_


@given(HEX, NAMES, st.sampled_from(["  ", " *", " ./", "  dist/linux/", "\t"]), st.booleans())
def test_the_format_of_coreutils_is_understood(
    hex_: str, name: str, between: str, windows: bool
) -> None:
    end = "\r\n" if windows else "\n"
    found = parse_checksums(f"{hex_}{between}{name}{end}", name)
    assert found is not None
    assert found.hex == hex_
    assert found.algorithm == {64: "sha256", 128: "sha512"}[len(hex_)]


@given(SHA256, NAMES)
def test_the_format_of_bsd_is_understood(hex_: str, name: str) -> None:
    assert parse_checksums(f"SHA256 ({name}) = {hex_}\n", name) == Digest("sha256", hex_)


@given(st.dictionaries(NAMES, SHA256, min_size=2))
def test_in_a_list_of_many_files_each_finds_its_own(sums: dict[str, str]) -> None:
    text = "".join(f"{hex_}  {name}\n" for name, hex_ in sums.items())
    for name, hex_ in sums.items():
        assert parse_checksums(text, name) == Digest("sha256", hex_)
    assert parse_checksums(text, "not-listed-Ü") is None


@given(SHA256, SHA256.filter(lambda hex_: hex_ != "00" * 32), NAMES)
def test_two_lines_that_disagree_prove_nothing(one: str, other: str, name: str) -> None:
    found = parse_checksums(f"{one}  {name}\n{other}  {name}\n", name)
    assert found == (Digest("sha256", one) if one == other else None)


@given(SHA256, SHA512, NAMES)
def test_of_two_algorithms_the_stronger_wins(short: str, long: str, name: str) -> None:
    assert parse_checksums(f"{short}  {name}\n{long}  {name}\n", name) == Digest("sha512", long)


@given(st.text(max_size=200), NAMES)
def test_no_text_whatever_breaks_the_parser(text: str, name: str) -> None:
    found = parse_checksums(text, name)
    assert found is None or found.hex in text.lower()


@pytest.mark.parametrize("text", ["", "abc", "f" * 63, "f" * 65, "<html>not found</html>"])
def test_what_is_no_digest_is_none(text: str) -> None:
    assert parse_checksums(text, "kubelet") is None


def test_a_list_about_other_files_does_not_vouch_for_this_one() -> None:
    text = f"{'a' * 64}\n{'b' * 64}  other\n"
    assert parse_checksums(text, "kubelet") is None


def test_a_digest_is_compared_with_the_content(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"content")
    for algorithm in ("sha256", "sha512"):
        assert Digest(algorithm, hashlib.new(algorithm, b"content").hexdigest()).matches(file)
        assert not Digest(algorithm, hashlib.new(algorithm, b"other").hexdigest()).matches(file)
