"""KEDA's operator as a process of this host beside a real control plane, by the lab's own command
line, objects, rights and certificate; a node whose brokers and functions are processes, too."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_lab.addons.functions.names import NAMESPACE
from edge_lab.addons.functions.pods import namespace_manifest
from edge_lab.addons.functions.ways import KEDA, OWN_WAYS, Way
from edge_lab.addons.keda.addon import is_ready
from edge_lab.addons.keda.identities import CLIENT
from edge_lab.addons.keda.names import CRDS, OPERATOR, SCALED_OBJECTS, function_name
from edge_lab.addons.keda.objects import definitions, deployment, scaled_object
from edge_lab.addons.keda.operator import KINDS, environment, operator_command
from edge_lab.addons.keda.place import Place
from edge_lab.addons.keda.rights import rights
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER
from tests.addons.functions.plant import Plant
from tests.addons.functions.site import NODE, Site
from tests.addons.functions.wire import Wire
from tests.addons.gitops.hollow import HollowNode
from tests.addons.nativeidentity import write_identity
from tests.controlplane import NativeControlPlane
from tests.probes.api_server import obtained
from tests.serverprogram import ServerProgram

START_SECONDS = 240.0
MIRROR_SECONDS = 0.1
POLL_SECONDS = COOL_SECONDS = 1
"""Of ScaledObjects: the device crosses its limit more often than one in a lab."""


def keda_programs() -> dict[str, Path]:
    """The operator and its kinds; skips the test where the lab has not obtained them."""
    return obtained("labs/edge-keda.yaml", [OPERATOR], [CRDS])


@dataclass
class Operator(ServerProgram):
    """The server node's part of the add-on."""

    place: Place

    name = OPERATOR

    def command(self) -> Sequence[str]:
        return operator_command(self.place)

    def environment(self) -> Mapping[str, str]:
        return environment()


@dataclass(kw_only=True)
class KedaSite(Site):
    """suites.functions.kedaside.KedaSide, over processes. The function of a Deployment's pod is a
    process while the hollow node runs the pod."""

    plane: NativeControlPlane
    hollow: HollowNode
    operator: Operator
    ways: tuple[Way, ...] = (*OWN_WAYS, KEDA)
    half_offline: bool = False
    """Whether KEDA and the API server still reach a node that is offline: a planted defect."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.monitor_wire = Wire(self.edge.monitor)
        self._kubelet = threading.Thread(target=self._mirror)

    def _mirror(self) -> None:
        """What the kubelet does: the function runs while the node has its pod."""
        file = self.units / KEDA.name
        while not self._ended.wait(MIRROR_SECONDS):
            if any(run.ended is None for run in self.hollow.runs()):
                file.touch()
            else:
                file.unlink(missing_ok=True)

    def start_all(self) -> None:
        super().start_all()
        self._kubelet.start()
        kubectl, limit = self.plane.kubectl, Deadline.scaled(START_SECONDS)
        kubectl.apply_patiently("kinds", definitions(keda_programs()[CRDS]), limit)
        kubectl.apply_patiently("rights", (namespace_manifest(), *rights()), limit)
        place = self.operator.place
        self.plane.wait_for_kinds(place.keys, KINDS, limit)
        self.operator.start()
        scaled = scaled_object(
            NODE, self.monitor_wire.address, poll_s=POLL_SECONDS, cool_s=COOL_SECONDS
        )
        kubectl.apply_patiently("function", (deployment(self.edge), scaled), limit)
        limit.wait_for(
            "KEDA asks the broker",
            lambda: is_ready(self.scaled_object()),
            every=0.2,
            transient=NOT_YET,
            watch=self.operator.watch,
        )

    def scaled_object(self) -> dict[str, Any]:
        return self._get(SCALED_OBJECTS)

    @contextlib.contextmanager
    def cooldown(self, seconds: int) -> Iterator[None]:
        """Another `cooldownPeriod`."""
        self._set_cooldown(seconds)
        try:
            yield
        finally:
            self._set_cooldown(COOL_SECONDS)

    def _set_cooldown(self, seconds: int) -> None:
        patch = {"spec": {"cooldownPeriod": seconds}}
        words = (SCALED_OBJECTS, function_name(NODE), "-n", NAMESPACE)
        self.plane.kubectl.patch(*words, patch=patch, deadline=Deadline.scaled(60))

    def _get(self, kind: str) -> dict[str, Any]:
        limit = Deadline.scaled(60)
        found: dict[str, Any] = self.plane.kubectl.get_json(
            kind, function_name(NODE), "-n", NAMESPACE, deadline=limit
        )
        return found

    def end(self) -> None:
        self._ended.set()
        if self._kubelet.ident is not None:
            self._kubelet.join()
        self.operator.end()
        super().end()
        self.monitor_wire.end()

    # -- KedaSide ------------------------------------------------------------------------------

    def replicas(self, node: str) -> int:
        return int(self._get("deployment")["spec"]["replicas"])

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        with contextlib.ExitStack() as undo:
            undo.enter_context(self.wire.silent())
            if not self.half_offline:
                undo.enter_context(self.monitor_wire.silent())
                self.hollow.reachable.clear()
            try:
                yield
            finally:
                self.hollow.reachable.set()

    @contextlib.contextmanager
    def no_operator(self) -> Iterator[None]:
        self.operator.end()
        try:
            yield
        finally:
            self.operator.start()

    def _served(self, probe: Callable[[], Any]) -> Callable[[], Any]:
        served = super()._served(probe)

        def look() -> Any:
            self.operator.watch()
            return served()

        return look


@contextlib.contextmanager
def running_keda_site(
    folder: Path,
    plane: NativeControlPlane,
    hollow: HollowNode,
    program: Path,
    plant: Plant,
    device: str,
) -> Iterator[KedaSite]:
    """All parts run while the block does. `hollow` is the node, `program` the functions' own."""
    metrics, health, metrics_service = choose_ports(3)
    place = Place(
        program=str(keda_programs()[OPERATOR]),
        files=str(folder / "keda"),
        metrics=f"127.0.0.1:{metrics}",
        health=f"127.0.0.1:{health}",
        metrics_service=f"127.0.0.1:{metrics_service}",
    )
    Path(place.files).mkdir(parents=True)
    write_identity(Path(place.files), plane.pki.authority(CLUSTER), CLIENT.spec)
    Path(place.kubeconfig).write_text(place.keys.kubeconfig(plane.url))
    site = KedaSite(
        folder,
        "trixie",
        program,
        plant,
        device,
        plane=plane,
        hollow=hollow,
        operator=Operator(folder, place),
    )
    try:
        site.start_all()
        yield site
    finally:
        site.end()
