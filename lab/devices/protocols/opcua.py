"""OPC UA, by its binary protocol over TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_lab.core.errors import LabError
from edge_lab.devices.identities import opcua_server_spec, server_identity
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.points import OPCUA_PORT, SEQUENCE, SEQUENCE_POINT, Point, node_id
from edge_lab.devices.protocols.base import RELAYED_FAULTS, DeviceProtocol, Place, address_of
from edge_lab.pki import DEVICES, IdentityRequest, Request
from edge_lab.topology import Device, OpcUaOptions, Protocol, Topology
from edge_lab.topology.device import Login

if TYPE_CHECKING:
    from edge_lab.devices.serving import Server, Shown
    from edge_lab.devices.spec import DeviceSpec


class OpcUa(DeviceProtocol):
    """Nodes of one address space; server and clients present certificates."""

    name = Protocol.OPCUA.value
    faults = (RELAYED_FAULTS - {"busy"}) | {"exceptions", "session-drop", "untrusted"}
    plant = "press"
    sampler_name = "opcua"
    has_twins = True
    twin_name = "opcua"
    mapper_needs_certificate = True

    def port(self, device: Device) -> int | None:
        return OPCUA_PORT

    def identities(self, topology: Topology, device: Device) -> tuple[Request, ...]:
        spec = opcua_server_spec(topology, device)
        return (IdentityRequest(DEVICES, server_identity(device.name), spec),)

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        from edge_lab.devices.opcua import OpcUaServer

        if spec.identity is None:  # ensured by the specification
            raise LabError("an OPC UA device needs certificates")
        return OpcUaServer(shown, spec.name, spec.address.ip, spec.identity, spec.nodes, spec.seed)

    def can_be_sampled(self, device: Device) -> bool:
        """With the default policy, mode and login."""
        asked, default = device.opcua or OpcUaOptions(), OpcUaOptions()
        return (
            set(default.policies) <= set(asked.policies)
            and set(default.modes) <= set(asked.modes)
            and set(default.logins) <= set(asked.logins)
        )

    def sampler_config(self, topology: Topology, device: Device) -> dict[str, Any]:
        plant = PLANTS[self.plant]
        names = [SEQUENCE, *(point.name for point in plant.points)]
        return {
            "address": f"opc.tcp://{address_of(topology, device)}:{OPCUA_PORT}",
            "points": [{"name": name, "node": node_id(plant.name, name)} for name in names],
        }

    def twin_access(self, topology: Topology, device: Device) -> dict[str, Any]:
        access = {"url": f"opc.tcp://{address_of(topology, device)}:{OPCUA_PORT}"}
        options = device.opcua
        if options:
            access |= {"policy": options.policies[0].value, "mode": options.modes[0].value}
            if Login.ANONYMOUS not in options.logins and options.users:
                user, password = next(iter(options.users.items()))
                access |= {"user": user, "password": password}
        return access

    def twin_places(self, device: Device, requested: Point) -> dict[str, Place]:
        plant = PLANTS[self.plant]
        return {
            point.name: {
                "nodeId": node_id(plant.name, point.name),
                **({"digits": point.digits} if point.digits else {}),
            }
            for point in (SEQUENCE_POINT, *plant.points, requested)
        }

    def missing_place(self, device: Device, point: Point) -> Place:
        return {"nodeId": node_id(PLANTS[self.plant].name, point.name)}
