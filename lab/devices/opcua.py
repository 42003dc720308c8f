"""The OPC UA server of a device; the nodes are in points.py, access control in access.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from random import Random
from typing import Any
from xml.etree.ElementTree import ParseError

from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography import x509

from edge_lab.core.errors import InputError, LabError
from edge_lab.devices.access import Trust, Users
from edge_lab.devices.faults import DeviceFault, Exceptions, Gone, Untrusted
from edge_lab.devices.framing import OpcUaFraming
from edge_lab.devices.history import StepHistory
from edge_lab.devices.opcua_condition import Condition
from edge_lab.devices.opcua_self_read import application_uri, read_as_client
from edge_lab.devices.opcua_server import GuardedServer
from edge_lab.devices.points import (
    OPCUA_NAMESPACE,
    OPCUA_NAMESPACE_INDEX,
    OPCUA_PORT,
    REQUESTED_SETPOINT,
    SEQUENCE,
    SIGNALS,
    Point,
    Value,
    node_id,
)
from edge_lab.devices.serving import LOOPBACK, Server, Shown
from edge_lab.devices.signals import reading
from edge_lab.devices.spec import IdentityFiles
from edge_lab.devices.truth import TruthStep
from edge_lab.topology import Login, OpcUaOptions

_TOKENS = {
    Login.ANONYMOUS: ua.AnonymousIdentityToken,
    Login.PASSWORD: ua.UserNameIdentityToken,
    Login.CERTIFICATE: ua.X509IdentityToken,
}


class OpcUaServer(Server):
    port = OPCUA_PORT
    framing = OpcUaFraming()
    self_read_seconds = 10.0

    def __init__(
        self,
        shown: Shown,
        name: str,
        address: IPv4Address,
        files: IdentityFiles,
        options: OpcUaOptions,
        seed: int,
    ) -> None:
        self._shown = shown
        self._name = name
        self._url = f"opc.tcp://{address}:{OPCUA_PORT}"
        self._files = files
        self._options = options
        self._seed = seed
        self._server: Any = None
        self._nodes: dict[str, Any] = {}
        self._types: dict[str, Any] = {}
        self._groups: dict[str, list[Any]] = {}
        self._history = StepHistory(options.history) if options.history else None
        self._conditions: dict[str, Condition] = {}
        self._trust = Trust(files.trust)
        self._fault: DeviceFault | None = None
        self._remembered = 0
        """Number of the last step in the history."""
        self._unread = 0
        """Values that could not be read because of the fault."""
        self._refused_before = 0
        self._requested_since: datetime | None = None
        """The client's timestamp of the last write of the setpoint."""
        self._showing = asyncio.Lock()

    def addresses(self) -> dict[str, str]:
        plant = self._shown.plant
        names = [SEQUENCE, *(point.name for point in plant.points), REQUESTED_SETPOINT]
        signals = {signal.value: node_id(SIGNALS, signal) for signal in self._options.signals}
        return {**{name: node_id(plant.name, name) for name in names}, **signals}

    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        return {point.name: point.value(raw[point.name]) for point in self._shown.plant.points}

    # -- Lifecycle -----------------------------------------------------------------------

    async def start(self) -> None:
        self._trust.read()
        users = Users(self._trust, self._options.users)
        server = self._server = GuardedServer(self._trust, users)
        await server.init()
        server.set_endpoint(self._url)
        server.socket_address = (LOOPBACK, OPCUA_PORT)
        server.set_server_name(f"edge-lab {self._name}")
        await server.set_application_uri(application_uri(self._name))
        server.set_security_policy(
            [
                ua.SecurityPolicyType[f"{policy}_{mode}"]
                for policy in self._options.policies
                for mode in self._options.modes
            ]
        )
        server.set_identity_tokens([_TOKENS[login] for login in self._options.logins])
        try:
            await server.load_certificate(self._files.certificate.read_bytes(), "pem")
            await server.load_private_key(self._files.key.read_bytes(), format="pem")
        except (OSError, ValueError) as trouble:
            raise LabError(f"cannot load the device's certificate and key: {trouble}") from trouble
        await self._make_nodes()
        await self.show()
        await server.start()

    async def _make_nodes(self) -> None:
        plant = self._shown.plant
        index = await self._server.register_namespace(OPCUA_NAMESPACE)
        if index != OPCUA_NAMESPACE_INDEX:
            raise LabError(f"the plant's OPC UA namespace has the index {index}")
        folder = await self._add_folder(plant.name)
        self._types[SEQUENCE] = ua.VariantType.UInt32
        for point in plant.points:
            self._types[point.name] = _type(point)
        self._types[REQUESTED_SETPOINT] = ua.VariantType.Double
        for name, kind in self._types.items():
            self._nodes[name] = await self._add_variable(folder, plant.name, name, kind)
        writable = self._nodes[REQUESTED_SETPOINT]
        await writable.set_writable()
        for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            await writable.set_attr_bit(attribute, ua.AccessLevel.TimestampWrite)
        self._server.iserver.attribute_service.on_write(writable.nodeid, self._set_setpoint)
        await self._make_signals()
        await self._make_groups()
        await self._make_history()
        for alarm in self._options.alarms:
            node = self._nodes[alarm.point]
            self._conditions[alarm.point] = await Condition.make(self._server, folder, node, alarm)
        await self._import_nodesets()

    async def _add_folder(self, name: str) -> Any:
        index = OPCUA_NAMESPACE_INDEX
        return await self._server.nodes.objects.add_object(
            ua.NodeId(name, index), ua.QualifiedName(name, index)
        )

    async def _add_variable(self, folder: Any, prefix: str, name: str, kind: Any) -> Any:
        index = OPCUA_NAMESPACE_INDEX
        return await folder.add_variable(
            ua.NodeId(f"{prefix}.{name}", index),
            ua.QualifiedName(name, index),
            ua.Variant(0.0 if kind == ua.VariantType.Double else 0, kind),
            varianttype=kind,
        )

    async def _make_signals(self) -> None:
        if not self._options.signals:
            return
        folder = await self._add_folder(SIGNALS)
        for signal in self._options.signals:
            self._types[signal] = ua.VariantType.Double
            self._nodes[signal] = await self._add_variable(
                folder, SIGNALS, signal, ua.VariantType.Double
            )

    async def _make_groups(self) -> None:
        """Fast and slow nodes."""
        for group, asked in self._options.groups.items():
            folder = await self._add_folder(group)
            self._groups[group] = [
                await self._add_variable(folder, group, str(number), ua.VariantType.UInt32)
                for number in range(1, asked.count + 1)
            ]
            await self.tick(group, self._shown.ticks.get(group, 0), self._shown.time)

    async def _make_history(self) -> None:
        if self._history is None:
            return
        self._server.iserver.history_manager.steps = self._history
        for name in self._recorded:
            node = self._nodes[name]
            await node.write_attribute(ua.AttributeIds.Historizing, ua.DataValue(True))
            for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
                await node.set_attr_bit(attribute, ua.AccessLevel.HistoryRead)
        for step in self._shown.past:
            self._remember(step)

    @property
    def _recorded(self) -> tuple[str, ...]:
        """Names of the nodes with a history: those that change with each step."""
        points = (point.name for point in self._shown.plant.points)
        return (SEQUENCE, *points, *self._options.signals)

    def _remember(self, step: TruthStep) -> None:
        if self._history is None:
            return
        self._remembered = step.seq
        when = _time(step.time)
        signals = {
            signal.value: reading(signal, self._seed, step.seq, self._options.anomaly).value
            for signal in self._options.signals
        }
        values: dict[str, Value] = {SEQUENCE: step.seq, **step.values, **signals}
        self._history.keep(
            when,
            {
                self._nodes[name].nodeid: self._good(name, values[name], when)
                for name in self._recorded
            },
        )

    async def _import_nodesets(self) -> None:
        for file in self._options.nodesets:
            try:
                await self._server.import_xml(str(file))
            # The importer raises exceptions of any kind.
            except (OSError, ParseError, ua.UaError, LookupError, TypeError, ValueError) as trouble:
                kind = type(trouble).__name__
                raise InputError(
                    f"this nodeset cannot be imported: {kind}: {trouble}",
                    file=file,
                    remedy="It must be a NodeSet2 file whose required models are imported before.",
                ) from trouble

    @property
    def _space(self) -> Any:
        return self._server.iserver.aspace

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    async def read_itself(self) -> int:
        node = node_id(self._shown.plant.name, SEQUENCE)
        return await read_as_client(
            self._url, self._name, node, self._files, self._options, self.self_read_seconds
        )

    @property
    def refused(self) -> int:
        return self._trust.refused

    # -- faults --------------------------------------------------------------------------

    async def set_fault(self, fault: DeviceFault | None) -> None:
        self._fault, self._unread, self._refused_before = fault, 0, self.refused
        own = self._files.certificate.read_bytes() if isinstance(fault, Untrusted) else None
        self._trust.only = x509.load_pem_x509_certificate(own) if own else None
        if isinstance(fault, Untrusted):
            await self._server.close_sessions(spare=self._trust.only)
        elif isinstance(fault, Gone) and fault.how == "silent":  # as after a restart
            await self.close_sessions()
        await self.show()

    async def close_sessions(self) -> None:
        await self._server.close_sessions()

    @property
    def affected(self) -> int:
        if isinstance(self._fault, Untrusted):
            return self.refused - self._refused_before
        return self._unread

    def _fails(self) -> bool:
        """Whether the current step cannot be read."""
        fault = self._fault
        if not isinstance(fault, Exceptions):
            return False
        return Random(f"{fault.seed}:{self._shown.seq}").random() < fault.probability

    # -- values --------------------------------------------------------------------------

    async def show(self) -> None:
        async with self._showing:
            await self._show()

    async def _show(self) -> None:
        shown = self._shown
        when = _time(shown.time)
        values: dict[str, Value] = {SEQUENCE: shown.seq, **self.values(shown.raw)}
        values.update({signal.value: reading.value for signal, reading in shown.signals.items()})
        data = {name: self._data(name, value, when) for name, value in values.items()}
        # First all values without an await: a Read in between sees the complete new step …
        self._answer_with(data)
        # … then again as plain values, which notifies subscribers.
        for name, value in data.items():
            await self._space.write_attribute_value(
                self._nodes[name].nodeid, ua.AttributeIds.Value, value
            )
        if self._fails():  # so that each read is counted
            self._answer_with(data)
        setpoint = self._space[self._nodes[REQUESTED_SETPOINT].nodeid]
        setpoint.attributes[ua.AttributeIds.Value].value = self._requested(when)
        if shown.past and shown.past[-1].seq != self._remembered:
            self._remember(shown.past[-1])
        for point, condition in self._conditions.items():
            await condition.show(shown.alarms[point], values[point], when)

    async def tick(self, group: str, number: int, time: int) -> None:
        when = _time(time)
        value = ua.DataValue(
            ua.Variant(number % 2**32, ua.VariantType.UInt32),
            SourceTimestamp=when,
            ServerTimestamp=when,
        )
        for node in self._groups[group]:
            await self._space.write_attribute_value(node.nodeid, ua.AttributeIds.Value, value)

    def _answer_with(self, data: Mapping[str, Any]) -> None:
        for name, value in data.items():
            self._space.set_attribute_value_callback(
                self._nodes[name].nodeid, ua.AttributeIds.Value, lambda *_, v=value: self._read(v)
            )

    def _read(self, value: Any) -> Any:
        """A client reads one value."""
        self._unread += value.StatusCode.is_bad()
        return value

    def _data(self, name: str, value: Value, when: datetime) -> Any:
        if self._fails():
            return ua.DataValue(
                ua.Variant(None, ua.VariantType.Null),
                StatusCode=ua.StatusCode(ua.StatusCodes.BadDeviceFailure),
                SourceTimestamp=when,
                ServerTimestamp=when,
            )
        return self._good(name, value, when)

    def _good(self, name: str, value: Value, when: datetime) -> Any:
        return ua.DataValue(
            ua.Variant(value, self._types[name]), SourceTimestamp=when, ServerTimestamp=when
        )

    def _set_setpoint(self, value: Any) -> Any:
        """A client writes the setpoint, a Double; its value afterwards is that of the truth."""
        setpoint = self._shown.plant.setpoint
        written = value.Value.Value
        if not setpoint.low <= written <= setpoint.high:  # NaN is neither
            raise ServiceError(ua.StatusCodes.BadOutOfRange)
        raw = setpoint.point.raw(written)
        done = float(setpoint.point.value(raw))
        self._shown.on_write(node_id(self._shown.plant.name, REQUESTED_SETPOINT), done)
        self._shown.requested = raw
        now = datetime.now(UTC)
        self._requested_since = value.SourceTimestamp or now
        return self._requested(now)

    def _requested(self, when: datetime) -> Any:
        """The requested setpoint, with the source timestamp of its writer."""
        point = self._shown.plant.setpoint.point
        value = self._data(REQUESTED_SETPOINT, float(point.value(self._shown.requested)), when)
        since = self._requested_since
        return replace(value, SourceTimestamp=since) if since else value


def _type(point: Point) -> Any:
    return ua.VariantType.Double if point.digits else ua.VariantType.Int32


def _time(ns: int) -> datetime:
    """ns since 1970, whole microseconds, as OPC UA has them."""
    return datetime.fromtimestamp(ns // 10**9, UTC).replace(microsecond=ns // 1000 % 10**6)
