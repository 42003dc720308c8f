"""Whether guests of the host's architecture can run with hardware acceleration (KVM).

An existing /dev/kvm proves nothing: on some hosts it can be opened and starts a machine, but
every Linux kernel in it crashes.  So the kernel that the lab boots is booted once with KVM,
until its user space prints a line, under a hard time limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.core.home import cache_home
from edge_lab.machines.domain import EMULATORS
from edge_lab.machines.guest import AcceleratorName
from edge_lab.machines.probe import MARKER, probe_initrd
from edge_lab.topology import Arch

if TYPE_CHECKING:
    from edge_lab.images import RootImage

KVM = Path("/dev/kvm")

PROBE_SECONDS = 30.0
"""Hard limit of the probe; with working KVM it takes one or two seconds."""


@dataclass(frozen=True)
class Accelerator:
    """How guests of the architecture `arch` (the host's) run, and why."""

    name: AcceleratorName
    reason: str
    arch: Arch | None

    def of(self, arch: Arch) -> AcceleratorName:
        """The accelerator for a guest of `arch`: KVM only for the host's architecture."""
        return self.name if arch == self.arch else "tcg"

    @property
    def kvm(self) -> bool:
        return self.name == "kvm"


def host_arch() -> Arch | None:
    """The host's architecture; None if the lab has no guests of it."""
    machine = platform.machine()
    return Arch(machine) if machine in set(Arch) else None


def probe_accelerator(image: RootImage | None, *, force: bool = False) -> Accelerator:
    """Boots a probe guest with KVM if that may work, otherwise returns the reason against it.

    `image` is the root image of the host's architecture; only its kernel is used.  Without
    one nothing can be proven, so the answer is emulation.  The result is cached for each QEMU,
    host kernel and guest kernel; `force` probes again.  Always returns within a few seconds
    more than PROBE_SECONDS.
    """
    arch = host_arch()
    if arch is None:
        return Accelerator("tcg", f"guests of {platform.machine()} are not supported", None)
    if not KVM.exists():
        return Accelerator("tcg", "this host has no /dev/kvm", arch)
    if not os.access(KVM, os.R_OK | os.W_OK):
        return Accelerator(
            "tcg", "no permission to open /dev/kvm (add the user to the group kvm)", arch
        )
    if image is None or image.arch != arch:
        return Accelerator("tcg", f"no {arch} guest kernel to test /dev/kvm with", arch)
    key = _key(arch, image.digest)
    cache = cache_home() / "accelerator.json"
    known = _load(cache)
    if not force and key in known:
        return known[key]
    found = _probe(arch, image.kernel)
    _store(cache, {**known, key: found})
    return found


def _key(arch: Arch, digest: str) -> str:
    version = subprocess.run(
        [EMULATORS[arch], "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=Deadline.scaled(30).remaining,
    ).stdout.partition("\n")[0]
    return hashlib.sha256(f"{version}|{platform.release()}|{digest}".encode()).hexdigest()[:16]


def _load(cache: Path) -> dict[str, Accelerator]:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return {
            key: Accelerator(entry["name"], entry["reason"], Arch(entry["arch"]))
            for key, entry in json.loads(cache.read_text()).items()
        }
    return {}


def _store(cache: Path, known: dict[str, Accelerator]) -> None:
    draft = cache.with_suffix(f".{os.getpid()}")
    draft.write_text(
        json.dumps({key: asdict(accelerator) for key, accelerator in known.items()}, indent=1)
    )
    draft.replace(cache)


def probe_argv(arch: Arch, kernel: Path, initrd: Path, accel: str) -> list[str]:
    """QEMU with only CPUs, memory and a serial port, which is its stdout."""
    machine = {"x86_64": "q35", "aarch64": "virt", "riscv64": "virt"}[arch]
    if accel == "kvm" and arch is Arch.AARCH64:
        machine += ",gic-version=host"
    cpu = (
        "host" if accel == "kvm" else {"aarch64": "cortex-a72", "riscv64": "rv64"}.get(arch, "max")
    )
    console = "ttyAMA0" if arch is Arch.AARCH64 else "ttyS0"
    return [
        *(EMULATORS[arch], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-M", machine, "-cpu", cpu, "-accel", accel, "-m", "384", "-smp", "2"),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-serial", "stdio", "-monitor", "none"),
        *("-append", f"console={console} panic=-1 rdinit=/init"),
    ]


@dataclass(frozen=True)
class ProbeResult:
    """`seconds` is the time until the marker was seen, or until the probe ended without it."""

    booted: bool
    seconds: float
    last_line: str


def boot_probe(arch: Arch, kernel: Path, accel: str, limit: float) -> ProbeResult:
    """Boots `kernel` until user space once; never takes much longer than `limit` seconds."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=cache_home()) as folder:
        initrd = Path(folder) / "initrd"
        initrd.write_bytes(probe_initrd(arch))
        output = Path(folder) / "console"
        started = time.monotonic()
        with output.open("wb") as sink:
            guest = subprocess.Popen(
                probe_argv(arch, kernel, initrd, accel),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        booted = False
        try:
            while not booted and time.monotonic() - started < limit:
                # The guest may have printed the marker and ended between two checks.
                ended = guest.poll() is not None
                booted = MARKER.encode() in output.read_bytes()
                if ended:
                    break
                time.sleep(0.05)
            seconds = time.monotonic() - started
        finally:
            guest.kill()
            # A process in a stuck KVM call cannot be killed, so do not wait for it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                guest.wait(Deadline.scaled(3).remaining)
        lines = output.read_text(errors="replace").strip().splitlines()
        return ProbeResult(booted, seconds, lines[-1].strip() if lines else "")


def _probe(arch: Arch, kernel: Path) -> Accelerator:
    result = boot_probe(arch, kernel, "kvm", Deadline.scaled(PROBE_SECONDS).total)
    if result.booted:
        reason = f"a probe guest booted with KVM in {result.seconds:.1f} s"
        return Accelerator("kvm", reason, arch)
    said = f"; its last line: {result.last_line}" if result.last_line else ", without output"
    return Accelerator(
        "tcg", f"the probe guest did not boot with KVM in {result.seconds:.0f} s{said}", arch
    )
