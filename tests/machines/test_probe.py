"""The probe guest and what is made of its answer."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.speed import FASTEST, REFERENCE_CALCULATION, host_factor
from edge_lab.machines import accelerator
from edge_lab.machines.accelerator import (
    Accelerator,
    ProbeResult,
    boot_probe,
    probe_accelerator,
    probe_argv,
)
from edge_lab.machines.probe import MARKER, probe_initrd, probe_program
from edge_lab.topology import Arch


@pytest.mark.parametrize("arch", list(Arch))
def test_the_probe_program_is_an_elf_file_that_holds_its_message(arch: Arch) -> None:
    program = probe_program(arch)
    size = struct.unpack_from("<Q", program, 64 + 32)[0]
    assert program[:4] == b"\x7fELF"
    assert size == len(program)
    assert program.endswith(f"\n{MARKER}\n".encode())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the host cannot run it")
def test_the_program_writes_its_message(tmp_path: Path) -> None:
    program = tmp_path / "init"
    # Without reboot(2), which an unprivileged run refuses and a privileged one must not do:
    # the system call number becomes that of exit(2).
    code = probe_program(Arch.X86_64).replace(b"\xb8\xa9\x00\x00\x00", b"\xb8\x3c\x00\x00\x00", 1)
    program.write_bytes(code)
    program.chmod(0o755)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"\n{MARKER}\n"


@pytest.mark.skipif(not shutil.which("cpio"), reason="cpio is not installed")
def test_cpio_reads_the_archive() -> None:
    listed = subprocess.run(
        ["cpio", "-t"], input=probe_initrd(Arch.X86_64), capture_output=True, check=True
    ).stdout
    assert listed.decode().split() == ["dev", "dev/console", "init"]


class _NoQemu:
    """Replaces QEMU by a shell script."""

    def __init__(self, script: str) -> None:
        self.script = script

    def __call__(self, *_: object) -> list[str]:
        return ["sh", "-c", self.script]


def test_a_probe_that_prints_the_marker_has_booted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(accelerator, "probe_argv", _NoQemu(f"echo '{MARKER}'"))
    assert boot_probe(Arch.X86_64, tmp_path, "kvm", 60).booted


def test_a_probe_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = f"echo booting; touch '{said}'; exec sleep 600"
    monkeypatch.setattr(accelerator, "probe_argv", _NoQemu(script))
    # Its time is over when it has spoken, which may take a busy host a while.
    clock = SimpleNamespace(sleep=time.sleep, monotonic=lambda: 1000.0 if said.exists() else 0.0)
    monkeypatch.setattr(accelerator, "time", clock)
    assert boot_probe(Arch.X86_64, tmp_path, "kvm", 30) == ProbeResult(False, 1000.0, "booting")


def test_a_probe_that_dies_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(accelerator, "probe_argv", _NoQemu("echo no such device; exit 1"))
    result = boot_probe(Arch.X86_64, tmp_path, "kvm", 600)
    assert not result.booted
    assert result.seconds < 60


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A host with a /dev/kvm, and an image for it."""
    kvm = tmp_path / "kvm"
    kvm.touch()
    monkeypatch.setattr(accelerator, "KVM", kvm)
    monkeypatch.setattr(accelerator, "host_arch", lambda: Arch.X86_64)
    monkeypatch.setattr(accelerator, "_key", lambda arch, digest: digest)
    image = SimpleNamespace(arch=Arch.X86_64, kernel=tmp_path / "vmlinuz", digest="d1")
    return SimpleNamespace(kvm=kvm, image=image)


def test_no_device_means_emulation(host: Any) -> None:
    host.kvm.unlink()
    found = probe_accelerator(host.image)
    assert (found.name, found.reason) == ("tcg", "this host has no /dev/kvm")


def test_a_device_without_a_kernel_to_prove_it_is_not_believed(host: Any) -> None:
    assert probe_accelerator(None).name == "tcg"


def test_the_result_is_kept_until_it_is_forced(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [ProbeResult(False, 0.1, "dead"), ProbeResult(True, 1.0, "")]
    monkeypatch.setattr(accelerator, "boot_probe", lambda *_: results.pop(0))
    first = probe_accelerator(host.image)
    assert first.name == "tcg"
    assert "dead" in first.reason
    assert probe_accelerator(host.image) == first
    assert probe_accelerator(host.image, force=True).name == "kvm"
    assert probe_accelerator(host.image).name == "kvm"


def test_a_damaged_cache_is_no_reason_to_fail(
    host: Any, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setattr(accelerator, "boot_probe", lambda *_: ProbeResult(True, 1.0, ""))
    probe_accelerator(host.image)
    (own_cache / "edge-lab" / "accelerator.json").write_text('{"d1": []}')
    assert probe_accelerator(host.image).name == "kvm"


def test_only_guests_of_the_hosts_architecture_are_accelerated() -> None:
    found = Accelerator("kvm", "", Arch.X86_64)
    assert [found.of(arch) for arch in Arch] == ["kvm", "tcg", "tcg"]


def test_the_probe_boots_with_what_it_is_asked_for() -> None:
    argv = probe_argv(Arch.AARCH64, Path("/k"), Path("/i"), "tcg")
    assert argv[argv.index("-cpu") + 1] == "cortex-a72"
    assert argv[argv.index("-accel") + 1] == "tcg"


def test_a_busy_or_slow_host_gets_more_time() -> None:
    idle = host_factor(REFERENCE_CALCULATION, 2, 0.0)
    assert idle == pytest.approx(1.0)
    assert host_factor(REFERENCE_CALCULATION, 2, 4.0) == pytest.approx(3.0)
    assert host_factor(REFERENCE_CALCULATION * 2, 1, 0.0) == pytest.approx(4.0)


def test_a_fast_host_does_not_get_less() -> None:
    assert host_factor(REFERENCE_CALCULATION / 9, 64, 0.0) == FASTEST
