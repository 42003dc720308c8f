"""The program: its own tests, and that it counts crossings as the lab does."""

from __future__ import annotations

import pytest

from tests.golang import assert_sound

pytestmark = pytest.mark.slow(reason="compiles a Go program")


@pytest.mark.parametrize("command", ["gofmt", "vet", "test"])
def test_the_program_is_sound(command: str) -> None:
    assert_sound("functions", command)
