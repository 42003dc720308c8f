"""DMI's messages, created at run time from the descriptors beside this file.

No generated code: the code of a protoc matches the protobuf runtimes of its release, and the
root disks have older ones than the lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.message import DecodeError

from .values import single

DESCRIPTORS = Path(__file__).with_name("dmi.binpb")
PACKAGE = "v1beta1"
MANAGER = f"{PACKAGE}.DeviceManagerService"
MAPPER = f"{PACKAGE}.DeviceMapperService"

_WRAPPERS = (
    wrappers_pb2.BoolValue,
    wrappers_pb2.BytesValue,
    wrappers_pb2.DoubleValue,
    wrappers_pb2.FloatValue,
    wrappers_pb2.Int32Value,
    wrappers_pb2.Int64Value,
    wrappers_pb2.StringValue,
    wrappers_pb2.UInt32Value,
    wrappers_pb2.UInt64Value,
)


@cache
def _pool() -> Any:
    found = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        found.AddSerializedFile(file.SerializeToString())
    return found


@cache
def message(name: str) -> Any:
    """The class of a message of the package."""
    return _class(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _class(descriptor: Any) -> Any:
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    old: Any = message_factory.MessageFactory(_pool())  # before 4.22
    return old.GetPrototype(descriptor)


def methods(service: str) -> dict[str, tuple[Any, Any]]:
    """By name, the classes of request and response of a service's methods."""
    found = _pool().FindServiceByName(service)
    return {
        method.name: (_class(method.input_type), _class(method.output_type))
        for method in found.methods
    }


# -- as Kubernetes objects -----------------------------------------------------------------


def model_item(model: Any) -> dict[str, Any]:
    """A DeviceModel as the mapper takes it: as the Kubernetes object that it was made from."""
    return {
        "metadata": {"name": model.name, "namespace": model.namespace or "default"},
        "spec": {
            "properties": [
                {
                    "name": each.name,
                    "type": each.type,
                    "accessMode": each.accessMode,
                    "minimum": each.minimum,
                    "maximum": each.maximum,
                }
                for each in model.spec.properties
            ]
        },
    }


def device_item(device: Any, node: str) -> dict[str, Any]:
    """A Device likewise. It does not say its uid, nor its node, which is that of the mapper."""
    spec = device.spec
    return {
        "metadata": {"name": device.name, "namespace": device.namespace or "default"},
        "spec": {
            "deviceModelRef": {"name": spec.deviceModelReference},
            "nodeName": node,
            "protocol": {
                "protocolName": spec.protocol.protocolName,
                "configData": _plain(spec.protocol.configData.data),
            },
            "properties": [
                {
                    "name": each.name,
                    "desired": {"value": each.desired.value},
                    "visitors": {"configData": _plain(each.visitors.configData.data)},
                    "collectCycle": each.collectCycle,
                    "reportCycle": each.reportCycle,
                }
                for each in spec.properties
            ],
        },
    }


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: unwrapped(value) for key, value in data.items()}


def unwrapped(value: Any) -> Any:
    """What is in an Any that holds a wrapper; None if it holds something else, or broken bytes.

    Whole numbers come as floats, as Go's JSON has none but those; here they are whole again.
    A scale of 0.1 has come through 32 bits; here it is 0.1 again.
    """
    kind = value.type_url.rpartition("/")[2]
    for wrapper in _WRAPPERS:
        if wrapper.DESCRIPTOR.full_name == kind:
            try:
                found = wrapper.FromString(value.value).value
            except DecodeError:
                return None
            if not isinstance(found, float):
                return found
            if found.is_integer():
                return int(found)
            return single(found) if wrapper is wrappers_pb2.FloatValue else found
    return None
