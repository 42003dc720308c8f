"""What pods saw, and what their nodes showed: under gVisor and under runc."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.gvisor.names import DEBIAN_RUNSC
from edge_lab.oracles.sandbox.outside import NodeView
from edge_lab.oracles.sandbox.records import AttemptRecord, AttemptRun, Ended, PodFacts
from edge_lab.oracles.sandbox.releases import (
    ALWAYS_ABSENT,
    OSRELEASE,
    RELEASE_2024,
    UNAME_VERSION,
    GvisorRelease,
)

POD = "facts-gvisor-default-edge-arm"
NODE_BOOT = "0b9b1c2e-1111-4222-8333-444455556666"
NODE_RELEASE = "6.12.57+deb13-arm64"


def texts(**found: str) -> dict[str, dict[str, str]]:
    return {name: {"text": text} for name, text in found.items()}


def sandboxed(release: GvisorRelease = RELEASE_2024, **changed: Any) -> PodFacts:
    """A pod under gVisor."""
    every = {*ALWAYS_ABSENT, OSRELEASE}
    number = release.uname_release.removesuffix("-gvisor")
    plain: dict[str, Any] = {
        "tag": POD,
        "release": release.uname_release,
        "version": UNAME_VERSION,
        "machine": "aarch64",
        "kernel_log": {
            "lines": 14,
            "first": "<6>[   0.000000] Starting gVisor...",
            "last": "<6>[   3.111111] Ready!",
        },
        "paths": {
            **{path: "ENOENT" if path in release.absent else "" for path in every},
            "/proc/sentry-meminfo": "",
        },
        "texts": texts(
            version=release.proc_version,
            cmdline=f"BOOT_IMAGE=/vmlinuz-{number}-gvisor quiet",
            loadavg="0.00 0.00 0.00 0/0 0",
            boot_id="77777777-1111-4222-8333-444455556666",
            cgroup="6:memory:/8d0c\n5:cpu:/8d0c",
            net_namespace="net:[1]",
        ),
        "root_mount": "35 34 0:35 / / rw - overlay none rw",
        "cap_eff": "00000000a80405fb",
        "processes": 1,
        "uid": 0,
    }
    return PodFacts.model_validate({**plain, **changed})


def under_runc(tag: str = POD) -> PodFacts:
    """A pod under runc, in a cgroup namespace of its own."""
    return PodFacts.model_validate(
        {
            "tag": tag,
            "release": NODE_RELEASE,
            "version": "#1 SMP Debian 6.12.57-1 (2025-11-05)",
            "machine": "aarch64",
            "kernel_log": {"errno": "EPERM"},
            "paths": {
                **dict.fromkeys((*ALWAYS_ABSENT, OSRELEASE), ""),
                "/proc/sentry-meminfo": "ENOENT",
            },
            "texts": texts(
                version=f"Linux version {NODE_RELEASE} (gcc-14 …) #1 SMP Debian",
                cmdline="root=/dev/vda console=ttyAMA0",
                loadavg="0.52 0.41 0.22 1/188 4711",
                boot_id=NODE_BOOT,
                cgroup="0::/",
                net_namespace="net:[4026532441]",
            ),
            "root_mount": "512 480 0:88 / / rw - overlay overlay rw,lowerdir=/var/x,upperdir=/y",
            "cap_eff": "00000000a80425fb",
            "processes": 1,
            "uid": 0,
        }
    )


def process(pid: int, *argv: str, **more: Any) -> dict[str, Any]:
    plain = {
        "pid": pid,
        "comm": "exe",
        "argv": argv,
        "executable": DEBIAN_RUNSC,
        "of_runsc": True,
        "seccomp": 2,
        "no_new_privs": 1,
        "net_namespace": "net:[4026532441]",
    }
    return {**plain, **more}


def view(processes: list[dict[str, Any]], programs: tuple[int, ...] = ()) -> NodeView:
    return NodeView.model_validate(
        {
            "release": NODE_RELEASE,
            "boot_id": NODE_BOOT,
            "net_namespace": "net:[4026531840]",
            "groups": ["/sys/fs/cgroup/kubepods/burstable/pod1"],
            "processes": processes,
            "programs": programs,
        }
    )


def sandbox_outside(**changed: Any) -> NodeView:
    """A node's view of a pod under gVisor; `changed` of its sandbox's process."""
    sandbox = process(100, "runsc-sandbox", "--root=/run/x", **{"root": ["etc", "proc"], **changed})
    return view([sandbox, process(101, "runsc-gofer", "--root=/run/x"), process(102)])


def runc_outside() -> NodeView:
    """A node's view of a pod under runc."""
    free: dict[str, Any] = {"seccomp": 0, "no_new_privs": 0, "of_runsc": False}
    pod = process(200, "/edge-hostile", "facts", "--tag", POD, **free, executable="/edge-hostile")
    pause = process(199, "/edge", "pause", **free, executable="/edge")
    return view([pause, pod], programs=(200,))


def attempt(name: str, *, reached: bool = False, errno: str = "", **more: Any) -> AttemptRecord:
    plain = {"attempt": name, "ended": Ended.ANSWERED, "reached": reached, "errno": errno}
    return AttemptRecord.model_validate({**plain, **more})


def run_of(*records: AttemptRecord, complete: bool = True) -> AttemptRun:
    return AttemptRun(records=records, complete=complete)
