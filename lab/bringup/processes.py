"""Derives the configuration of a lab's processes from its state: fabric, devices, machines.

Everything here is computed from `state.json`, so that any process can attach to a lab, and a
restored lab differs only in its ports.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from edge_lab.core.deadline import Deadline
from edge_lab.core.home import RunDir
from edge_lab.core.process import spawn, still_alive
from edge_lab.core.step import step
from edge_lab.devices import DeviceClient, DeviceSpec, IdentityFiles, device_spec, start_device
from edge_lab.devices.identities import server_identity
from edge_lab.devices.protocols import protocol_of
from edge_lab.fabric import FabricClient, FabricConfig, LinkConfig
from edge_lab.handle.state import LabState
from edge_lab.images import load_root_image
from edge_lab.machines import GuestSpec, PortForward, cluster_hosts, wire_nics
from edge_lab.machines.external import ExternalMachine, ssh_host
from edge_lab.machines.ssh import SshClient
from edge_lab.pki import DEVICES, Pki
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import API_PORT
from edge_lab.topology import Arch, booted_nodes, external_nodes

SSH_PORT = 22

DEVICES_SECONDS = 90.0
"""Seconds for all devices to answer, on the reference machine; they take two to six. The limit
for the start of the lab would be far too long."""


def guest_specs(
    state: LabState, provisions: Mapping[str, Provision] | None = None
) -> tuple[GuestSpec, ...]:
    """The machines that the lab boots. `provisions` is needed only to write seed disks."""
    topology = state.topology
    hosts = cluster_hosts(topology)
    wires = {name: (wire.endpoint, wire.fabric) for name, wire in state.ports.wires.items()}
    images = {
        arch: load_root_image(Arch(arch), digest) for arch, digest in state.image_digests.items()
    }
    specs = []
    for node in booted_nodes(topology):
        forwards = [PortForward(SSH_PORT, state.ports.ssh[node.name])]
        if node == topology.server:
            forwards.append(PortForward(API_PORT, state.ports.api))
        provision = (provisions or {}).get(node.name, Provision())
        specs.append(
            GuestSpec(
                lab=state.lab,
                node=node,
                image=images[node.arch],
                nics=wire_nics(topology, node.name, wires),
                forwards=tuple(forwards),
                files=provision.files,
                units=provision.units,
                payload=state.payloads[node.name],
                hosts=hosts,
            )
        )
    return tuple(specs)


def external_machines(
    run: RunDir, state: LabState, provisions: Mapping[str, Provision] | None = None
) -> tuple[ExternalMachine, ...]:
    """The machines that the lab does not boot. `provisions` is needed only to provision them."""
    topology = state.topology
    wires = {name: (wire.endpoint, wire.fabric) for name, wire in state.ports.wires.items()}
    return tuple(
        ExternalMachine(
            node,
            topology,
            run,
            nics=wire_nics(topology, node.name, wires),
            hosts=cluster_hosts(topology),
            provision=(provisions or {}).get(node.name),
        )
        for node in external_nodes(topology)
    )


def ssh_clients(run: RunDir, state: LabState) -> dict[str, SshClient]:
    """How each node is reached, without libvirt."""
    found = {}
    for node in state.topology.nodes:
        if node.external is None:
            found[node.name] = SshClient(run, node.name, state.ports.ssh[node.name])
        else:
            found[node.name] = SshClient.to(run, ssh_host(node, run.keys))
    return found


def fabric_config(state: LabState) -> FabricConfig:
    """Networks and links with their ports."""
    return FabricConfig(
        networks=tuple(network.name for network in state.topology.networks),
        links=tuple(
            LinkConfig(name=link.name, network=link.network, interface=link.host_interface)
            if link.host_interface
            else LinkConfig(
                name=link.name,
                network=link.network,
                fabric_port=state.ports.wires[link.name].fabric,
                endpoint_port=state.ports.wires[link.name].endpoint,
            )
            for link in state.topology.links
        ),
        seed=0,
    )


def start_fabric(run: RunDir, state: LabState, deadline: Deadline) -> FabricClient:
    """Starts the process that carries the frames, and waits until it answers."""
    config = run.path / "fabric.json"
    fabric_config(state).write(config)
    log = run.logs / "fabric.log"
    with step("fabric"):
        process = spawn(
            [
                *(sys.executable, "-m", "edge_lab.fabric", "--config", str(config)),
                *("--socket", str(run.fabric_socket)),
            ],
            run=run.path,
            log=log,
        )
        client = FabricClient(run.fabric_socket)
        client.wait_ready(deadline, watch=still_alive(process, "the fabric", log))
        return client


def device_specs(run: RunDir, state: LabState) -> tuple[DeviceSpec, ...]:
    """The specification of each device process."""
    pki = Pki.load(run.keys)
    specs = []
    for device in state.topology.devices:
        (link,) = state.topology.links_of(device.name)
        requests = protocol_of(device.protocol).identities(state.topology, device)
        needs_identity = any(
            (request.domain, request.name) == (DEVICES, server_identity(device.name))
            for request in requests
        )
        specs.append(
            device_spec(
                state.topology,
                device,
                fabric_port=state.ports.wires[link.name].fabric,
                endpoint_port=state.ports.wires[link.name].endpoint,
                folder=run.devices / device.name,
                identity=_identity_files(run, pki, device.name) if needs_identity else None,
                files={
                    want.component: state.device_files[want.component]
                    for want in protocol_of(device.protocol).wants()
                },
            )
        )
    return tuple(specs)


def _identity_files(run: RunDir, pki: Pki, device: str) -> IdentityFiles:
    """The device's certificate, and a trust store with the lab's device CA."""
    trust = run.devices / device / "trust"
    trust.mkdir(parents=True, exist_ok=True)
    (trust / "ca.crt").write_bytes(pki.authority(DEVICES).certificate_pem)
    certificate, key = pki.identity_paths(DEVICES, server_identity(device))
    return IdentityFiles(certificate=certificate, key=key, trust=trust)


def start_devices(run: RunDir, state: LabState, deadline: Deadline) -> None:
    """Starts the device processes and waits until each answers a read in its protocol."""
    if not state.topology.devices:
        return
    with step("devices"):
        started = []
        for spec in device_specs(run, state):
            log = run.logs / f"device-{spec.name}.log"
            process = start_device(spec, run=run.path, log=log)
            started.append((spec, still_alive(process, f"the device {spec.name}", log)))
        limit = deadline.within(DEVICES_SECONDS)
        for spec, alive in started:
            DeviceClient(spec.folder).wait_ready(limit, watch=alive)
