"""The host's time stamp counter, and what an emulated x86_64 guest is told of it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from edge_lab.machines import counter
from edge_lab.machines.domain import kernel_command_line
from edge_lab.topology import Arch

CPUINFO = """\
processor\t: 0
cpu MHz\t\t: 1496.001
bogomips\t: 4890.82
TLB size\t: 2560 4K pages
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of paper: its files are in the folder."""
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    (tmp_path / "clock").write_text("tsc\n")
    monkeypatch.setattr(counter, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(counter, "CLOCK", tmp_path / "clock")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


def test_the_pace_of_the_counter_is_what_linux_knows_and_not_the_speed_of_the_moment(
    host: Path,
) -> None:
    assert counter.host_tsc_khz() == 2_445_410


@pytest.mark.parametrize("clock", ["hpet", "acpi_pm", "jiffies"])
def test_a_host_that_does_not_trust_its_counter_has_none(host: Path, clock: str) -> None:
    (host / "clock").write_text(clock)
    assert counter.host_tsc_khz() is None


def test_a_host_that_tells_nothing_has_none(host: Path) -> None:
    (host / "cpuinfo").write_text("processor\t: 0\n")
    assert counter.host_tsc_khz() is None
    (host / "clock").unlink()
    assert counter.host_tsc_khz() is None


def test_a_host_of_another_architecture_has_none(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert counter.host_tsc_khz() is None


def test_only_an_x86_64_kernel_is_told(host: Path) -> None:
    told = "tsc=reliable tsc_early_khz=2445410"
    assert kernel_command_line(Arch.X86_64, "tcg", tsc_khz=2_445_410).endswith(told)
    assert "tsc" not in kernel_command_line(Arch.X86_64, "tcg")
    assert "tsc" not in kernel_command_line(Arch.AARCH64, "tcg", tsc_khz=2_445_410)
    assert "tsc" not in kernel_command_line(Arch.RISCV64, "tcg", tsc_khz=2_445_410)
