"""A device that is firmware on a link of the fabric: all but the lab's own reads passes it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.fabric import CLEAR, CUT, FabricClient, FabricConfig, LinkConfig
from tests.devices.modbus_site import read_request, reads_right
from tests.devices.plant_site import Site, require_namespaces, start_site
from tests.devices.raw_peer import Heard, RawPeer, raw_peer
from tests.devices.rtos_site import rtos_spec

pytestmark = pytest.mark.slow(reason="firmware on an emulated board, the fabric as a process")

LINK = "controller-plant"
READS = 20


@dataclass(frozen=True)
class Plant:
    site: Site
    fabric: FabricClient
    peer: RawPeer


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("p")
    spec = rtos_spec(folder)
    node_fabric, node_endpoint = choose_ports(2)
    ports = {LINK: (spec.fabric_port, spec.endpoint_port), "node": (node_fabric, node_endpoint)}
    links = tuple(
        LinkConfig(name=name, network="plant", fabric_port=fabric, endpoint_port=endpoint)
        for name, (fabric, endpoint) in ports.items()
    )
    config = folder / "fabric.json"
    FabricConfig(networks=("plant",), links=links, seed=3).write(config)
    with fabric_on(config, folder / "control") as fabric:
        site = start_site(spec)
        # A peer takes the other end of a device's wire; here it is to have a link of its own.
        swapped = {"fabric_port": node_endpoint, "endpoint_port": node_fabric}
        try:
            with raw_peer(replace(site, spec=spec.model_copy(update=swapped))) as peer:
                yield Plant(site, fabric, peer)
        finally:
            assert site.end() == 0, site.log.read_text()


@contextlib.contextmanager
def fabric_on(config: Path, control: Path) -> Iterator[FabricClient]:
    words = [sys.executable, "-m", "edge_lab.fabric", "--config", str(config)]
    process = subprocess.Popen([*words, "--socket", str(control)])
    client = FabricClient(control)
    try:
        client.wait_ready(Deadline.after(30))
        yield client
    finally:
        process.terminate()
        process.wait(10)


def test_it_is_read_through_the_fabric_and_a_cut_link_cuts_it_off(plant: Plant) -> None:
    with plant.peer.line() as line:
        reads_right(plant.site, line)
        plant.fabric.set(LINK, tx=CUT, rx=CUT)
        line.say(read_request(1))
        assert line.hear(patience=1.0) == Heard()
        # Its own read does not pass the link.
        assert plant.site.client.status().reachable
        plant.fabric.set(LINK, tx=CLEAR, rx=CLEAR)
        # TCP says it again.
        assert line.hear(patience=30.0).bytes[:2] == b"\0\1"


def test_nothing_of_the_labs_own_reads_is_on_the_link(plant: Plant) -> None:
    before = plant.fabric.counters()[LINK]
    for _ in range(READS):
        assert plant.site.client.status().reachable
    after = plant.fabric.counters()[LINK]
    # A read is eight frames or more; the ends of earlier connections may still be under way.
    assert after.tx.frames - before.tx.frames < READS
    assert after.rx.frames - before.rx.frames < READS
    with plant.peer.line() as line:
        reads_right(plant.site, line)
    assert plant.fabric.counters()[LINK].tx.frames > after.tx.frames
