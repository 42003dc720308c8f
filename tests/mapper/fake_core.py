"""As much of KubeEdge's edge core as a mapper needs: DMI on a Unix socket, made to be strict."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import wrappers_pb2

from images.mapper.edge_mapper.messages import MANAGER, MAPPER, message, methods


def as_proto(manifest: Mapping[str, Any]) -> Any:
    """A Device object as the edge core passes it on: numbers of configData as floats."""
    spec = manifest["spec"]
    made = message("Device")(
        name=manifest["metadata"]["name"], namespace=manifest["metadata"]["namespace"]
    )
    made.spec.deviceModelReference = spec["deviceModelRef"]["name"]
    made.spec.protocol.protocolName = spec["protocol"]["protocolName"]
    _fill(made.spec.protocol.configData.data, spec["protocol"]["configData"])
    for each in spec["properties"]:
        property_ = made.spec.properties.add(
            name=each["name"],
            collectCycle=each["collectCycle"],
            reportCycle=each["reportCycle"],
        )
        _fill(property_.visitors.configData.data, each["visitors"]["configData"])
        if "desired" in each:
            property_.desired.value = each["desired"]["value"]
    return made


def model_as_proto(manifest: Mapping[str, Any]) -> Any:
    made = message("DeviceModel")(
        name=manifest["metadata"]["name"], namespace=manifest["metadata"]["namespace"]
    )
    for each in manifest["spec"]["properties"]:
        made.spec.properties.add(**each)
    return made


def _fill(data: Any, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        wrapper: Any = (
            wrappers_pb2.StringValue(value=value)
            if isinstance(value, str)
            else wrappers_pb2.FloatValue(value=value)
        )
        data[key].Pack(wrapper)


class FakeCore:
    """Devices and models by name; what was reported by device and property."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "dmi.sock"
        self.devices: dict[str, Any] = {}
        self.models: dict[str, Any] = {}
        self.mappers: dict[str, str] = {}
        """By protocol, the socket that the mapper is called back at."""
        self.reported: dict[str, dict[str, str]] = {}
        self.observed: dict[str, dict[str, str]] = {}
        self.states: dict[str, list[str]] = {}
        self.told: list[tuple[str, str, str]] = []
        """Device, property and value of all reports, in their order."""
        self.open = threading.Event()
        """Without it, reports of values are not taken."""
        self.open.set()
        self.requests = 0
        self.faults: list[str] = []
        """What would have broken the real one."""
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        server = grpc.server(ThreadPoolExecutor(2))
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                getattr(self, f"_{name}"),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
            for name, (request, response) in methods(MANAGER).items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(MANAGER, handlers),))
        server.add_insecure_port(f"unix:{self.socket}")
        server.start()
        self._server = server

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(0).wait()

    # -- downstream ------------------------------------------------------------------------

    def call(self, protocol: str, method: str, **fields: Any) -> Any:
        """Calls the mapper back."""
        request, response = methods(MAPPER)[method]
        with grpc.insecure_channel(f"unix:{self.mappers[protocol]}") as channel:
            call = channel.unary_unary(
                f"/{MAPPER}/{method}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            return call(request(**fields), timeout=60)

    # -- upstream --------------------------------------------------------------------------

    def _MapperRegister(self, request: Any, _context: Any) -> Any:  # noqa: N802
        with self._lock:
            self.requests += 1
            if not request.withData:
                self.faults.append("registered without data: it would never be called back")
            address = request.mapper.address.decode()
            if not address.startswith("/"):
                self.faults.append(f"no bare path: {address}")
            self.mappers[request.mapper.protocol] = address
            wanted = [
                each
                for each in self.devices.values()
                if each.spec.protocol.protocolName == request.mapper.protocol
            ]
            return message("MapperRegisterResponse")(
                deviceList=wanted, modelList=list(self.models.values())
            )

    def _ReportDeviceStatus(self, request: Any, _context: Any) -> Any:  # noqa: N802
        self.open.wait(10)
        with self._lock:
            self.requests += 1
            for twin in request.reportedDevice.twins:
                for part in ("observedDesired", "reported"):
                    if not twin.HasField(part):
                        self.faults.append(f"{twin.propertyName} without {part}: it would crash")
                name = request.deviceName
                self.told.append((name, twin.propertyName, twin.reported.value))
                self.reported.setdefault(name, {})[twin.propertyName] = twin.reported.value
                self.observed.setdefault(name, {})[twin.propertyName] = twin.observedDesired.value
            return message("ReportDeviceStatusResponse")()

    def _ReportDeviceStates(self, request: Any, _context: Any) -> Any:  # noqa: N802
        with self._lock:
            self.requests += 1
            self.states.setdefault(request.deviceName, []).append(request.state)
            return message("ReportDeviceStatesResponse")()
