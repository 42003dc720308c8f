"""Pods with and without a sandbox that read a device and store samples, interleaved."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_lab.addons.gvisor.names import GVISOR
from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.devices.points import MODBUS_PORT
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.sandboxes import known_pod, look_from_outside
from edge_lab.observe.scheduling.runtimes import default_runtime
from edge_lab.oracles.sandbox import SandboxClass
from edge_lab.oracles.sandbox.figures import BenchRecord, parse_bench
from edge_lab.topology.protocols import Protocol
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.topology import Link, Node

APP = "edge-lab-bench"
FOLDER = "/data"
READS = 50
"""Reads in one turn, and as many samples."""
TURN_SECONDS = 180.0
"""Seconds for one turn: starting a program in the pod takes some seconds in a sandbox."""
POD_SECONDS = 600
"""Timeout of the pod's program itself: the host enforces the limit of a turn."""
LOOK_SECONDS = 120.0


@dataclass(frozen=True)
class Variant:
    """One of two kinds of pods that are interleaved on a node."""

    name: str
    """In measures."""
    sandboxed: bool = False
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    """The condition of the lab in its turns."""
    slug: str = ""
    """Used in names of pods, if its name is not valid there."""

    @property
    def runtime_class(self) -> str:
        return GVISOR if self.sandboxed else ""

    def pod(self, node: str) -> str:
        """The name of its pod."""
        return f"bench-{self.slug or self.name}-{node}"


RUNC = Variant("runc")
RUNC_AGAIN = Variant("runc again", slug="again")
"""The control, which is identical."""
SANDBOXED = Variant(GVISOR, sandboxed=True)


def need_both(lab: Lab, node: Node) -> None:
    """MissingCapability if the pods of the node are all sandboxed."""
    if default_runtime(lab, node) == GVISOR:
        raise MissingCapability(f"every pod of {node.name} is sandboxed: none runs under runc")


def modbus_link(lab: Lab, node: str) -> Link:
    """The address of a Modbus device on a network of the node.

    Raises:
        MissingCapability: there is none.
    """
    networks = {link.network for link in lab.topology.links_of(node)}
    for device in lab.topology.devices:
        for link in lab.topology.links_of(device.name):
            if str(device.protocol) == Protocol.MODBUS and link.network in networks:
                return link
    raise MissingCapability(f"no Modbus device is within reach of {node}")


def bench_pod(variant: Variant, node: str) -> dict[str, Any]:
    """A pod that waits for commands."""
    spec: dict[str, Any] = {
        "nodeName": node,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "bench",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "command": ["/edge", "pause"],
                "resources": {"limits": {"memory": "192Mi"}},
                "volumeMounts": [{"name": "data", "mountPath": FOLDER}],
            }
        ],
    }
    if variant.runtime_class:
        spec["runtimeClassName"] = variant.runtime_class
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": variant.pod(node),
            "namespace": NAMESPACE,
            "labels": {"app": APP},
        },
        "spec": spec,
    }


def bench_command(place: str) -> list[str]:
    """Reads of the device's block, each timed; then stored samples."""
    return [
        *("/edge", "bench", "modbus-tcp", place, "--registers", "10"),
        *("--count", str(READS), "--folder", FOLDER, "--limit", str(POD_SECONDS)),
    ]


def turns_of(first: Variant, second: Variant, pairs: int) -> list[Variant]:
    """So many pairs, in alternating order."""
    order = ([first, second], [second, first])
    return [variant for pair in range(pairs) for variant in order[pair % 2]]


class Bench:
    """The running pods of two variants on a node."""

    def __init__(self, lab: Lab, node: str, limit: TimeLimit) -> None:
        self._lab = lab
        self._node = node
        self._limit = limit

    def turn(self, variant: Variant, place: str) -> BenchRecord:
        """One variant's measurement of the device at `place`.

        Raises:
            AssertionError: the pod could not read the device, or not store the samples.
        """
        with variant.around():
            done = self._lab.kubectl.exec(
                variant.pod(self._node),
                bench_command(place),
                self._limit(TURN_SECONDS),
                namespace=NAMESPACE,
                check=False,
            )
        record = parse_bench(done.stdout or done.stderr)
        assert record.ok, f"{variant.pod(self._node)}: {record.error}"
        return record

    def check_sandbox(self, variant: Variant) -> None:
        """LabError if its pod is not in the intended sandbox, or in one by mistake."""
        limit = self._limit(LOOK_SECONDS)
        pod = known_pod(self._lab, variant.pod(self._node), self._node, limit)
        verdict = look_from_outside(self._lab, pod, self._limit(LOOK_SECONDS))
        wanted = SandboxClass.SANDBOXED if variant.sandboxed else SandboxClass.NOT_SANDBOXED
        if verdict.of_class is not wanted:
            raise LabError(f"{pod.name} should be {wanted}, so its figures are invalid: {verdict}")


@contextlib.contextmanager
def benching(lab: Lab, node: str, variants: Sequence[Variant], limit: TimeLimit) -> Iterator[Bench]:
    """Their pods are Ready, with or without a sandbox, while the block runs."""
    manifests = [bench_pod(variant, node) for variant in variants]
    with running_pods(lab, manifests, APP, limit):
        bench = Bench(lab, node, limit)
        for variant in variants:
            bench.check_sandbox(variant)
        yield bench


def interleaved_reads(
    lab: Lab, node: str, first: Variant, second: Variant, pairs: int, limit: TimeLimit
) -> tuple[list[BenchRecord], list[BenchRecord]]:
    """The measurements of both, interleaved, pair by pair. The first turn of each is a warm-up, to
    load the program into the page cache."""
    link = modbus_link(lab, node)
    place = f"{link.address}:{MODBUS_PORT}"
    found: dict[str, list[BenchRecord]] = {first.name: [], second.name: []}
    with benching(lab, node, (first, second), limit) as bench:
        for variant in (first, second):
            bench.turn(variant, place)
        for variant in turns_of(first, second, pairs):
            found[variant.name].append(bench.turn(variant, place))
    return found[first.name], found[second.name]
