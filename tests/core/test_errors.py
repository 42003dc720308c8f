"""Errors: exit codes, remedies, files and lines."""

from __future__ import annotations

from edge_lab.core.errors import (
    DeadlineExceeded,
    EdgeLabError,
    InputError,
    LabError,
    MissingCapability,
)


def test_each_kind_of_trouble_has_its_exit_code() -> None:
    assert LabError("x").exit_code == 3
    assert DeadlineExceeded("x").exit_code == 3
    assert InputError("x").exit_code == 2


def test_an_error_shows_its_remedy_below_its_message() -> None:
    assert str(LabError("the wire is gone", remedy="Lay it again.")) == (
        "the wire is gone\n  Lay it again."
    )
    assert str(LabError("the wire is gone")) == "the wire is gone"


def test_an_input_error_begins_with_file_and_line() -> None:
    assert str(InputError("no", file="lab.yaml", line=7)) == "lab.yaml:7: no"
    assert str(InputError("no", file="lab.yaml")) == "lab.yaml: no"


def test_a_missing_capability_is_no_lab_error() -> None:
    assert issubclass(MissingCapability, EdgeLabError)
    assert not issubclass(MissingCapability, LabError)
