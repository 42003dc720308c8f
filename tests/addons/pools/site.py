"""yurt-manager as a process of this host beside a real control plane, by the lab's own command
line, objects, rights and certificate."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge_lab.addons.pools.identities import CLIENT
from edge_lab.addons.pools.manager import KINDS, environment, manager_command
from edge_lab.addons.pools.names import CRDS, POOL_LABEL, YURT_MANAGER
from edge_lab.addons.pools.objects import definitions, first_objects
from edge_lab.addons.pools.place import Place
from edge_lab.addons.pools.rights import rights
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER
from tests.controlplane import NativeControlPlane
from tests.probes.api_server import obtained
from tests.serverprogram import ServerProgram

LIMIT = 240.0


def manager_programs() -> dict[str, Path]:
    """yurt-manager and its kinds; skips the test where the lab has not obtained them."""
    return obtained("labs/edge-pools.yaml", [YURT_MANAGER], [CRDS])


@dataclass
class Site(ServerProgram):
    """The server node's part of the add-on."""

    plane: NativeControlPlane
    place: Place

    name = YURT_MANAGER

    def command(self) -> Sequence[str]:
        return manager_command(self.place)

    def environment(self) -> Mapping[str, str]:
        return environment(self.place)

    def until(self, what: str, probe: Callable[[], Any], seconds: float = LIMIT) -> Any:
        limit = Deadline.scaled(seconds)
        return limit.wait_for(what, probe, every=0.2, transient=NOT_YET, watch=self.watch)


@contextlib.contextmanager
def running_site(
    folder: Path, plane: NativeControlPlane, pools: Mapping[str, tuple[str, ...]]
) -> Iterator[Site]:
    """yurt-manager runs; there are pools with their nodes, which must exist, and the workload."""
    programs = manager_programs()
    metrics, health, webhooks = choose_ports(3)
    place = Place(
        program=str(programs[YURT_MANAGER]),
        files=str(folder / "files"),
        state=str(folder / "state"),
        metrics=f"127.0.0.1:{metrics}",
        health=f"127.0.0.1:{health}",
        webhook_port=webhooks,
    )
    for path in (place.files, place.webhook_keys):
        Path(path).mkdir(parents=True)
    authority = plane.pki.authority(CLUSTER)
    identity = authority.issue(CLIENT.spec)
    for file in place.keys.files(identity, authority.certificate_pem):
        Path(file.path).write_bytes(file.content)
    Path(place.kubeconfig).write_text(place.keys.kubeconfig(plane.url))
    site, limit, kubectl = Site(folder, plane, place), Deadline.scaled(LIMIT), plane.kubectl
    try:
        kubectl.apply_patiently("kinds", definitions(programs[CRDS]), limit)
        kubectl.apply_patiently("rights", rights(), limit)
        plane.wait_for_kinds(place.keys, KINDS, limit)
        site.start()
        for pool, nodes in pools.items():
            for node in nodes:
                exists = partial(kubectl.find, "node", node, deadline=limit)
                site.until(f"{node} exists", exists)
                kubectl.label("node", node, labels={POOL_LABEL: pool}, deadline=limit)
        kubectl.apply_patiently("pools and workload", first_objects(pools), limit)
        yield site
    finally:
        site.end()
