"""A real node for tests: containerd, runc and the lab's own kubelet, in namespaces of their own.

Their network is a loopback interface, on which the control plane is too. Their processes and mounts
end with the first process of the namespaces, whatever happens; their control groups are below one
that is removed after them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.yamltext import yaml_text
from edge_lab.images.oci import PAUSE
from edge_lab.pki import CLUSTER
from edge_lab.stacks.identities import node_client_spec
from edge_lab.stacks.kubeconfig import kubeconfig
from tests.controlplane import NativeControlPlane
from tests.namespaces import Namespace, held_process
from tests.probes.api_server import program, running

NODE = "host"
ADDRESS = "192.0.2.1"
"""Of the node, on its loopback interface: a kubelet refuses 127.0.0.1."""
PODS = "198.51.100.0/24"
PLUGINS = Path("/usr/lib/cni")
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ptp": "containernetworking-plugins",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
READY_SECONDS = 180.0
IMPORT_SECONDS = 900.0
"""Of an archive of gigabytes."""
CGROUPS = Path("/sys/fs/cgroup")

SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""A kubelet writes these values, which are the whole host's: files hide them from it."""
SETUP = """
set -eu
for path in "$1"/sysctls/*; do
    mount --bind "$path" "/proc/sys/$(basename "$path" | tr + /)"
done
for folder in /run /var/lib /var/log; do
    mount -t tmpfs tmpfs "$folder"
done
mkdir /run/lock
echo ready
exec cat
"""
"""Of the first process, which ends when its standard input does. What programs write into /run,
/var/lib and /var/log goes with it."""


@dataclass(frozen=True)
class Node:
    folder: Path
    namespace: Namespace
    first: int
    """The first process of the PID namespace."""
    cgroup: str
    """Name of the control group of the pods, in each hierarchy."""

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    def inside(self, *command: str) -> list[str]:
        """The command, to be run in the namespaces."""
        return ["nsenter", f"--target={self.first}", "--mount", "--pid", "--net", *command]

    def ctr(self, *words: str, deadline: Deadline) -> str:
        """Output of ctr for the images and containers of the kubelet; LabError if it fails."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=deadline.remaining, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def require_node() -> None:
    """Skips the test where a part of a node is missing."""
    if os.geteuid() != 0:
        pytest.skip("a kubelet needs root")
    if program("kubelet") is None:
        pytest.skip("the lab has not built kubelet for this host yet")
    found = {name: shutil.which(name, path=f"{os.environ['PATH']}:{PLUGINS}") for name in PACKAGES}
    missing = {PACKAGES[name] for name, place in found.items() if place is None}
    if missing:
        pytest.skip(f"a kubelet needs more programs: apt-get install {' '.join(sorted(missing))}")


@contextlib.contextmanager
def real_node(
    plane: NativeControlPlane, namespace: Namespace, folder: Path, *archives: Path
) -> Iterator[Node]:
    """A node that is Ready, with the images of the archives, until the block is left."""
    folder.mkdir()
    namespace.run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
    _write_files(plane, folder)
    kubelet = program("kubelet")
    assert kubelet is not None
    limit = Deadline.scaled(READY_SECONDS)
    with (
        own_cgroup(f"edge-lab-matrix-{os.getpid()}") as cgroup,
        first_process(namespace, folder) as first,
    ):
        node = Node(folder, namespace, first, cgroup)
        (folder / "kubelet.yaml").write_text(_kubelet_config(node))
        containerd = node.inside("containerd", "--config", str(folder / "containerd.toml"))
        with running(containerd, folder / "containerd.log") as runtime:
            limit.wait_for(
                "containerd serves",
                lambda: node.ctr("version", deadline=limit),
                transient=(LabError,),
                watch=lambda: _watch(runtime, folder / "containerd.log"),
            )
            for archive in archives:
                node.ctr("images", "import", str(archive), deadline=Deadline.scaled(IMPORT_SECONDS))
            limit = Deadline.scaled(READY_SECONDS)
            command = node.inside(
                str(kubelet),
                f"--config={folder / 'kubelet.yaml'}",
                f"--kubeconfig={folder / 'kubelet.kubeconfig'}",
                f"--root-dir={folder / 'kubelet'}",
                f"--cert-dir={folder / 'kubelet-pki'}",
                f"--hostname-override={NODE}",
                f"--node-ip={ADDRESS}",
            )
            with running(command, folder / "kubelet.log") as process:
                limit.wait_for(
                    "the node is Ready",
                    lambda: is_ready(plane, limit),
                    transient=NOT_YET,
                    watch=lambda: _watch(process, folder / "kubelet.log"),
                )
                yield node


def is_ready(plane: NativeControlPlane, deadline: Deadline) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in plane.kubectl.items("nodes", deadline=deadline)
        for condition in node["status"].get("conditions", ())
    )


def _watch(process: subprocess.Popen[bytes], log: Path) -> None:
    assert process.poll() is None, log.read_text(errors="replace")[-3000:]


@contextlib.contextmanager
def first_process(namespace: Namespace, folder: Path) -> Iterator[int]:
    """PID on this host of the first process of new mount and PID namespaces, until the block is
    left. With it end all processes and mounts of the namespaces."""
    sysctls = folder / "sysctls"
    sysctls.mkdir()
    for name, value in SYSCTLS.items():
        (sysctls / name.replace("/", "+")).write_text(f"{value}\n")
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = namespace.argv([*unshare, "sh", "-c", SETUP, "setup", str(folder)])
    with held_process(command, "ready") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(children[0])


@contextlib.contextmanager
def own_cgroup(name: str, to_end: Deadline | None = None) -> Iterator[str]:
    """A control group of that name in each hierarchy, until the block is left.

    Raises:
        DeadlineExceeded: processes in it have not ended until `to_end`.
    """
    try:
        for place in _places(name):
            place.mkdir()
            for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group of version 1
                if (place.parent / file).is_file():
                    (place / file).write_text((place.parent / file).read_text())
        yield name
    finally:
        remove_cgroup(name, to_end or Deadline.scaled(60))


def remove_cgroup(name: str, deadline: Deadline) -> None:
    """Removes the groups of that name, as soon as they have no processes."""

    def removed() -> bool:
        for place in _places(name):
            for folder, _, _ in os.walk(place, topdown=False):
                os.rmdir(folder)  # noqa: PTH106 - its files cannot be removed, and need not
        return not any(place.exists() for place in _places(name))

    deadline.wait_for(f"control group {name} is gone", removed, transient=(OSError,))


def _places(name: str) -> list[Path]:
    return [root / name for root in hierarchies()]


def hierarchies() -> list[Path]:
    """Where this host's control groups are mounted: one folder, or in version 1 several."""
    found = [CGROUPS]
    if not (CGROUPS / "cgroup.controllers").exists():
        found = [each for each in sorted(CGROUPS.iterdir()) if (each / "cgroup.procs").exists()]
    return list({each.resolve(): each for each in found})


def _write_files(plane: NativeControlPlane, folder: Path) -> None:
    authority = plane.pki.authority(CLUSTER)
    (folder / "kubelet.kubeconfig").touch(mode=0o600)
    (folder / "kubelet.kubeconfig").write_text(
        kubeconfig(
            plane.url,
            ca_pem=authority.certificate_pem,
            identity=authority.issue(node_client_spec(NODE)),
        )
    )
    (folder / "containerd.toml").write_text(_containerd_config(folder))
    (folder / "cni").mkdir()
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(_network(folder)))


def _containerd_config(folder: Path) -> str:
    """For containerd 1.6 and 1.7. Where root may not lower the OOM score of a process
    (CAP_SYS_RESOURCE), runc would fail unless that is restricted."""
    cri = "io.containerd.grpc.v1.cri"
    return f"""\
version = 2
root = "{folder}/containerd"
state = "{folder}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."{cri}"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."{cri}".cni]
  bin_dir = "{PLUGINS}"
  conf_dir = "{folder}/cni"
[plugins."{cri}".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."{cri}".containerd.runtimes.runc.options]
  Root = "{folder}/runc"
"""


def _network(folder: Path) -> dict[str, object]:
    """A cable between each pod and the node."""
    addresses = {"type": "host-local", "subnet": PODS, "dataDir": f"{folder}/addresses"}
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{"type": "ptp", "ipam": addresses}],
    }


def _kubelet_config(node: Node) -> str:
    """Nobody but this test is on the loopback interface: requests need no certificate."""
    return yaml_text(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{node.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{node.cgroup}",
            "enforceNodeAllocatable": ["none"],
            "failCgroupV1": False,
            "failSwapOn": False,
            "resolvConf": "",
            "address": ADDRESS,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "podLogsDir": f"{node.folder}/pod-logs",
            # The host's disk is not the test's.
            "evictionHard": {"memory.available": "50Mi"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "makeIPTablesUtilChains": False,
        }
    )
