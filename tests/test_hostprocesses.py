"""What the processes of a lab take of the host, and whose each is by its command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes, spawn
from edge_lab.handle.hostprocesses import (
    HostRole,
    _guest_mib,
    _guest_size,
    _role,
    host_processes,
)

MIB = 1024 * 1024
BUSY = f"x = bytearray({64 * MIB}); x[::4096] = b'x' * len(x[::4096]); print(1, flush=True)\n"
BUSY += "import time\nwhile time.process_time() < 0.3: pass\nprint(2, flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    ("command", "role", "name"),
    [
        (
            "/x/libvirt/bin/qemu-system-x86_64 -name guest=default-edge-arm,debug-threads=on -S",
            HostRole.NODE,
            "edge-arm",
        ),
        ("qemu-system-riscv64 -S -name guest=default-a -m 2048", HostRole.NODE, "a"),
        ("/usr/sbin/libvirtd --config /x/libvirtd.conf", HostRole.LIBVIRT, "libvirtd"),
        ("python -m edge_lab.fabric --config /x --socket /y", HostRole.FABRIC, "fabric"),
        (
            "/v/python -m edge_lab.devices --spec /r/devices/press/spec.json",
            HostRole.DEVICE,
            "press",
        ),
        ("tail -F /r/devices/press/spec.json", HostRole.OTHER, "tail"),
        ("cat libvirtd", HostRole.OTHER, "cat"),
    ],
)
def test_a_process_is_known_by_its_command(command: str, role: HostRole, name: str) -> None:
    assert _role(RunDir("default"), command) == (role, name)


@pytest.mark.parametrize(
    ("command", "mib"),
    [
        ("qemu-system-x86_64 -m 2048 -smp 2", 2048),
        ("qemu-system-x86_64 -m size=2097152k -smp 2", 2048),
        ("qemu-system-x86_64 -m 2G", 2048),
        ("qemu-system-x86_64 -machine q35", None),
    ],
)
def test_the_size_of_a_guest_is_known_by_its_command(command: str, mib: int | None) -> None:
    assert _guest_size(command) == (None if mib is None else mib * 1024)


def test_the_memory_of_the_guest_is_that_of_its_mapping(tmp_path: Path) -> None:
    (tmp_path / "smaps").write_text(
        "7f00-7f10 rwxp 00000000 00:00 0\nSize: 1048576 kB\nPss: 524288 kB\n"
        "7f20-7f30 rw-p 00000000 00:00 0\nSize: 2097152 kB\nRss: 1048576 kB\nPss: 786432 kB\n"
    )
    assert _guest_mib(tmp_path, 2048 * 1024) == 768
    assert _guest_mib(tmp_path, 512 * 1024) is None
    assert _guest_mib(tmp_path / "ended", 2048 * 1024) is None


@pytest.mark.slow(reason="starts a process and lets it work")
def test_memory_and_cpu_time_of_a_process_are_seen(tmp_path: Path) -> None:
    run = RunDir("default")
    log = tmp_path / "log"
    spawn([sys.executable, "-S", "-c", BUSY], run=run.path, log=log)
    try:
        Deadline.after(30).wait_for("it has worked", lambda: "2" in log.read_text())
        (seen,) = host_processes(run)
        assert seen.pss_mib is not None
        assert 64 < seen.pss_mib < 128
        assert seen.cpu_seconds is not None
        assert 0.25 <= seen.cpu_seconds < 30
        assert [process.role for process in host_processes(run, with_this=True)] == [
            HostRole.COMMAND,
            HostRole.OTHER,
        ]
    finally:
        end_processes(run.path, Deadline.after(20))
    assert host_processes(run) == ()
