"""`lab doctor` on hosts that do not exist."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from edge_lab.artifacts import ArtifactState, ArtifactStore, Availability, Want
from edge_lab.artifacts.gomodules import Toolchain
from edge_lab.core.hostmemory import memory_limit
from edge_lab.doctor import DoctorReport, HostCheck, doctor, render_doctor
from edge_lab.doctor.host import Host
from edge_lab.doctor.model import AcceleratorFinding
from edge_lab.doctor.probes import (
    HOST_PACKAGES,
    has_subordinate_ids,
    host_packages,
)
from edge_lab.topology import Arch, Topology, load_topology

slow = pytest.mark.slow(reason="starts each program of the host that a lab needs")

GIB = 1024**3
ROOT = Path(__file__).parent.parent
WANTS = {
    "kubernetes+openyurt": (Want("kubelet", Arch.AARCH64), Want("yurthub", Arch.AARCH64)),
    "kubernetes+kubelet": (Want("kubelet", Arch.AARCH64),),
}


@dataclass
class FakeHost(Host):
    """A host that has everything, but for what a test takes away."""

    uid: int = 0
    lacks: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    tun: str = ""
    disk: int = 100 * GIB
    total: int = 32 * GIB
    available: int = 30 * GIB
    go: Toolchain | str = field(default_factory=lambda: Toolchain("/go", "go1.26.1"))

    def which(self, program: str) -> str | None:
        return None if program in self.lacks else f"/usr/bin/{program}"

    def output(self, argv: Sequence[str], seconds: float = 15.0) -> str | None:
        program = Path(argv[0]).name
        if program in self.fails:
            return None
        if program == "dpkg-query":
            packages = host_packages(HOST_PACKAGES.read_text())
            return "".join(f"installed {p}\n" for p in packages if p not in self.lacks)
        return f"{program} version 99.1 (made up)"

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def open_problem(self, path: str) -> str:
        return self.tun

    def free_disk(self, folder: Path) -> int:
        return self.disk

    def memory(self) -> tuple[int, int]:
        return self.total, self.available

    def cpus(self) -> int:
        return 4

    def user(self) -> str:
        return "ada"

    def toolchain(self) -> Toolchain | str:
        return self.go

    def module(self, name: str) -> bool:
        return name not in self.lacks


class FakeStore(ArtifactStore):
    """Everything is cached, but for what is missing."""

    def __init__(self, missing: Sequence[str] = (), available: Sequence[str] = ()) -> None:
        self._states = dict.fromkeys(missing, Availability.MISSING)
        self._states |= dict.fromkeys(available, Availability.AVAILABLE)

    def state(self, wanted: Sequence[Want]) -> list[ArtifactState]:
        rows = []
        for want in dict.fromkeys(wanted):
            state = self._states.get(want.component, Availability.CACHED)
            remedy = "get it" if state is Availability.MISSING else ""
            rows.append(ArtifactState(want.component, "v1", want.arch, state, "somewhere", remedy))
        return rows


@pytest.fixture
def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topology:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return load_topology(ROOT / "labs/default.yaml")


def examine(
    topology: Topology, host: Host | None = None, store: ArtifactStore | None = None
) -> DoctorReport:
    return doctor(
        topology,
        host=host or FakeHost(),
        store=store or FakeStore(),
        accelerator=lambda: AcceleratorFinding(name="tcg", reason="no /dev/kvm"),
        stack_wants=lambda name, _: WANTS[name],
    )


def check(report: DoctorReport, name: str) -> HostCheck:
    return next(each for each in report.checks if each.name == name)


def shown(report: DoctorReport) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(render_doctor(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_host_that_has_everything_is_fine(topology: Topology) -> None:
    report = examine(topology)
    assert report.ok
    assert [each.name for each in report.checks if not each.ok] == []
    assert not any(each.remedy for each in report.checks)
    assert "A lab of 'default' with twins, workload can run on this machine." in shown(report)


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("qemu-system-riscv64", "qemu-system-misc"),
        ("libvirtd", "libvirt-daemon"),
        ("mmdebstrap", "mmdebstrap"),
        ("mke2fs", "e2fsprogs"),
    ],
)
def test_a_missing_program_is_named_with_its_package(
    topology: Topology, program: str, package: str
) -> None:
    report = examine(topology, FakeHost(lacks={program}))
    found = check(report, program)
    assert not report.ok
    assert found.found == "not installed"
    assert f"apt-get install {package}" in found.remedy
    assert found.needs_root
    assert f"A lab cannot run on this machine: {program}" in shown(report)


def test_a_program_that_does_not_run_is_not_there(topology: Topology) -> None:
    found = check(examine(topology, FakeHost(fails={"qemu-img"})), "qemu-img")
    assert not found.ok
    assert "cannot be run" in found.found


def test_only_emulators_of_the_topology_are_asked_for(topology: Topology) -> None:
    small = topology.model_copy(update={"nodes": topology.nodes[:1]})
    names = [each.name for each in examine(small).checks]
    assert "qemu-system-x86_64" in names
    assert "qemu-system-aarch64" not in names


def test_what_is_only_nice_to_have_does_not_stop_a_lab(topology: Topology) -> None:
    report = examine(topology, FakeHost(lacks={"node", "npm", "virsh", "zstd"}))
    assert report.ok
    assert not check(report, "node").ok
    packages = check(report, "Debian packages")
    assert packages.found == "missing: zstd"
    assert "images/install-host-packages.sh" in packages.remedy


def test_without_go_a_lab_whose_artifacts_are_cached_can_come_up(topology: Topology) -> None:
    report = examine(topology, FakeHost(go="Go is not installed"))
    assert report.ok
    assert "https://go.dev/dl/" in check(report, "go").remedy


def test_the_first_stack_that_can_be_had_is_chosen(topology: Topology) -> None:
    report = examine(topology, store=FakeStore(missing=["yurthub"]))
    assert report.ok
    first, second = report.stacks
    assert (first.ok, first.chosen, first.missing) == (False, False, ("yurthub for aarch64",))
    assert (second.ok, second.chosen) == (True, True)
    assert "not available: missing yurthub for aarch64" in shown(report)
    assert "get it" in shown(report)


def test_when_no_stack_can_be_had_the_report_is_bad(topology: Topology) -> None:
    report = examine(topology, store=FakeStore(missing=["kubelet"]))
    assert not report.ok
    assert "None of the topology's stacks is available." in shown(report)


def test_devices_that_are_firmware_need_their_emulator(topology: Topology) -> None:
    with_firmware = load_topology(ROOT / "labs/rtos-device.yaml")
    assert check(examine(with_firmware), "qemu-system-arm").ok
    report = examine(with_firmware, FakeHost(lacks={"qemu-system-arm"}))
    found = check(report, "qemu-system-arm")
    assert not report.ok
    assert found.remedy == "As root: apt-get install qemu-system-arm"
    assert "qemu-system-arm" not in [each.name for each in examine(topology).checks]


def test_devices_need_taps(topology: Topology) -> None:
    report = examine(topology, FakeHost(tun="Permission denied"))
    assert not report.ok
    assert "mknod /dev/net/tun c 10 200" in check(report, "/dev/net/tun").remedy
    bare = topology.model_copy(update={"devices": ()})
    assert examine(bare, FakeHost(tun="Permission denied")).ok


def test_forbidden_user_namespaces_are_told_with_the_setting(topology: Topology) -> None:
    host = FakeHost(
        uid=1000,
        fails={"unshare"},
        files={
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
            "/etc/subuid": "ada:100000:65536\n",
            "/etc/subgid": "ada:100000:65536\n",
        },
    )
    found = check(examine(topology, host), "user namespaces")
    assert found.remedy == ("As root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    assert found.needs_root


def test_an_ordinary_user_needs_subordinate_ids(topology: Topology) -> None:
    host = FakeHost(uid=1000, files={"/etc/subuid": "ada:100000:65536\n"})
    report = examine(topology, host)
    found = check(report, "subordinate ids")
    assert found.found == "none for ada in /etc/subgid"
    assert "usermod --add-subuids" in found.remedy
    assert "Root is required to fix: subordinate ids." in shown(report)
    assert "subordinate ids" not in [each.name for each in examine(topology).checks]


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("ada:100000:65536", True),
        ("1000:100000:65536", True),
        ("ada:100000:1000", False),
        ("bob:100000:65536\n\nada:200000:131072\n", True),
        ("ada", False),
        ("", False),
    ],
)
def test_subordinate_ids_are_read(text: str, has: bool) -> None:
    assert has_subordinate_ids(text, "ada", 1000) is has


def test_a_small_disk_warns_when_there_is_much_to_build_and_stops_when_it_is_tiny(
    topology: Topology,
) -> None:
    to_build = FakeStore(available=["kubelet"])
    assert not check(examine(topology, FakeHost(disk=10 * GIB), to_build), "disk space").ok
    assert examine(topology, FakeHost(disk=10 * GIB), to_build).ok
    assert check(examine(topology, FakeHost(disk=10 * GIB)), "disk space").ok
    assert not examine(topology, FakeHost(disk=1 * GIB)).ok


def test_memory_is_measured_against_the_topology(topology: Topology) -> None:
    busy = examine(topology, FakeHost(available=2 * GIB))
    assert not check(busy, "memory").ok
    assert busy.ok
    small = examine(topology, FakeHost(total=4 * GIB, available=4 * GIB))
    assert not small.ok


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/a/b\n", {"/sys/fs/cgroup/a/memory.max": "4294967296\n"}, 4 * GIB),
        ("0::/\n", {"/sys/fs/cgroup/memory.max": "max\n"}, None),
        (
            "4:memory:/c\n0::/\n",
            {"/sys/fs/cgroup/memory/c/memory.limit_in_bytes": "9223372036854771712\n"},
            None,
        ),
        (
            "4:cpu,memory:/c\n",
            {"/sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 * GIB)},
            2 * GIB,
        ),
        ("", {}, None),
    ],
)
def test_limits_of_cgroups_are_read(cgroup: str, files: dict[str, str], limit: int | None) -> None:
    assert memory_limit(FakeHost(files={"/proc/self/cgroup": cgroup, **files}).read) == limit


def test_a_limit_below_the_need_stops_a_lab(topology: Topology) -> None:
    files = {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": str(2 * GIB)}
    report = examine(topology, FakeHost(files=files))
    assert not report.ok
    assert "a cgroup limits this process to 2.0 GiB" in check(report, "memory").found


def test_the_report_is_json_with_its_verdict(topology: Topology) -> None:
    report = examine(topology)
    tree = report.model_dump(mode="json")
    assert tree["ok"] is True
    assert tree["accelerator"] == {"name": "tcg", "reason": "no /dev/kvm"}
    assert {row["state"] for row in tree["artifacts"]} == {"cached"}


@slow
def test_the_real_host_can_be_examined(topology: Topology) -> None:
    report = doctor(
        topology,
        store=FakeStore(),
        accelerator=lambda: AcceleratorFinding(name="tcg", reason="not asked"),
        stack_wants=lambda name, _: WANTS[name],
    )
    assert len(report.checks) > 10
    assert shown(report)


# -- the installer of `make setup` -----------------------------------------------------------


@pytest.fixture
def installer(tmp_path: Path) -> Path:
    """A copy of the script beside a list of two packages, with programs that only pretend."""
    folder = tmp_path / "images"
    folder.mkdir()
    script = folder / "install-host-packages.sh"
    script.write_bytes((ROOT / "images/install-host-packages.sh").read_bytes())
    (folder / "host-packages.txt").write_text("# list\n\nalpha  # for this\nalpha-dev\n")
    _pretend(tmp_path, "dpkg-query", "printf '%s\\n' $INSTALLED_LINES | tr _ ' '")
    _pretend(tmp_path, "apt-get", 'echo "apt-get $*"; exit ${APT_STATUS:-0}')
    _pretend(tmp_path, "id", "echo ${ID:-0}")
    return script


def _pretend(folder: Path, name: str, body: str) -> None:
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def run(installer: Path, installed: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = f"{installer.parent.parent}/bin:{os.environ['PATH']}"
    env = {"PATH": path, "INSTALLED_LINES": installed, **more}
    return subprocess.run(
        ["sh", str(installer)], env=env, capture_output=True, text=True, check=False
    )


def test_the_installer_is_silent_when_all_is_there(installer: Path) -> None:
    done = run(installer, "installed_alpha installed_alpha-dev", ID="1000")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_installer_installs_only_what_is_missing(installer: Path) -> None:
    done = run(installer, "installed_alpha-dev config-files_alpha")
    assert done.returncode == 0
    assert done.stderr.rstrip().endswith(" alpha")
    assert "apt-get install --yes --no-install-recommends" in done.stderr


def test_the_installer_tells_an_ordinary_user_the_command(installer: Path) -> None:
    done = run(installer, "installed_alpha", ID="1000")
    assert done.returncode == 3
    assert "sudo apt-get update && sudo apt-get install --no-install-recommends alpha-dev" in (
        done.stderr
    )


def test_the_installer_says_what_is_missing_when_apt_fails(installer: Path) -> None:
    done = run(installer, "installed_alpha", APT_STATUS="100")
    assert done.returncode == 3
    assert "Still missing: alpha-dev" in done.stderr
