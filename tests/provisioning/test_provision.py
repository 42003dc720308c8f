"""What a guest is given: files, units and payload that add up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import (
    LabError,
)
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision

FILE = GuestFile.text("/etc/a", "one\n")
UNIT = Provision(files=(FILE,), units=("a.service",))
contents = st.binary(max_size=4)
provisions = st.builds(
    Provision,
    files=st.lists(
        st.builds(GuestFile, path=st.sampled_from(["/a", "/b", "/c"]), content=st.just(b"x")),
        unique_by=lambda file: file.path,
    ).map(tuple),
    units=st.lists(st.sampled_from(["a.service", "b.service"]), unique=True).map(tuple),
)


def test_text_files_are_utf_8_and_readable_by_all_unless_told() -> None:
    assert GuestFile.text("/etc/a", "one\n") == GuestFile("/etc/a", b"one\n", 0o644)
    assert GuestFile.text("/k", "ä", 0o600) == GuestFile("/k", b"\xc3\xa4", 0o600)


def test_the_same_thing_wanted_twice_is_there_once() -> None:
    assert UNIT + UNIT == UNIT


def test_two_contents_for_one_path_are_refused() -> None:
    other = Provision(files=(GuestFile.text("/etc/a", "two\n"),))
    with pytest.raises(LabError, match="/etc/a"):
        UNIT + other


def test_two_modes_for_one_path_are_refused() -> None:
    with pytest.raises(LabError, match="/etc/a"):
        UNIT + Provision(files=(GuestFile.text("/etc/a", "one\n", 0o600),))


def test_payload_files_of_one_path_must_be_the_same_file(tmp_path: Path) -> None:
    first = Provision(payload=(PayloadFile("bin/k", tmp_path / "k", "aa"),))
    second = Provision(payload=(PayloadFile("bin/k", tmp_path / "k", "bb"),))
    assert (first + first).payload == first.payload
    with pytest.raises(LabError, match="bin/k"):
        first + second


@given(first=provisions, second=provisions, third=provisions)
def test_provisions_add_up_whatever_the_grouping(
    first: Provision, second: Provision, third: Provision
) -> None:
    assert (
        (first + second) + third
        == first + (second + third)
        == Provision.total([first, second, third])
    )
    assert first + Provision() == first == Provision() + first
