"""Checks of a topology's devices against the available protocols."""

from __future__ import annotations

from pydantic import ValidationError

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import Loc, did_you_mean
from edge_lab.devices.protocols.base import MAPPER_SPEAKS, SAMPLER_SPEAKS, DeviceProtocol
from edge_lab.devices.protocols.catalog import protocol_of
from edge_lab.topology import Device, Topology, TopologyProblem
from edge_lab.topology.protocols import OWN, WITH_OPTIONS


def check_devices(topology: Topology) -> None:
    """Raises TopologyProblem if a device does not match its protocol."""
    for index, device in enumerate(topology.devices):
        at: Loc = ("devices", index)
        protocol = _known(device, at)
        if protocol.name not in OWN:
            _check_keys(device, at)
        if protocol.name not in OWN - WITH_OPTIONS:
            check_options(protocol, device, (*at, "options"))
        if misfit := protocol.misfit(device):
            raise TopologyProblem(misfit.message, (*at, misfit.key), misfit.remedy)
        _check_twins(protocol, device, (*at, "twins"))
        _check_sampled(protocol, device, (*at, "sampled"))


def _known(device: Device, at: Loc) -> DeviceProtocol:
    try:
        return protocol_of(device.protocol)
    except InputError as trouble:
        raise TopologyProblem(trouble.message, (*at, "protocol"), trouble.remedy) from trouble


def _check_keys(device: Device, at: Loc) -> None:
    for key in ("modbus", "serial", "opcua"):
        if getattr(device, key) is not None:
            raise TopologyProblem(
                f"the options {key} are not for a device that speaks {device.protocol}",
                (*at, key),
                "Use `options` for the settings of this protocol.",
            )


def check_options(protocol: DeviceProtocol, device: Device, at: Loc) -> None:
    """Raises TopologyProblem if the protocol's model rejects the options of the device."""
    try:
        protocol.options.model_validate(device.options or {})
    except ValidationError as trouble:
        first = trouble.errors()[0]
        loc, known = first["loc"], tuple(protocol.options.model_fields)
        where = ".".join(str(part) for part in loc)
        if first["type"] == "extra_forbidden":
            message = f"the protocol {protocol.name} has no option {where!r}"
            hint = did_you_mean(str(loc[-1]), known) if len(loc) == 1 else ""
        elif first["type"] == "missing":
            message, hint = f"the protocol {protocol.name} needs the option {where!r}", ""
        else:
            cause = first.get("ctx", {}).get("error") or first["msg"]
            message, hint = f"the option {where or 'options'}: {cause}", ""
        remedy = f"{hint}Available: {', '.join(known) or 'none'}."
        raise TopologyProblem(message, (*at, *loc), remedy) from trouble


def _check_twins(protocol: DeviceProtocol, device: Device, at: Loc) -> None:
    if not device.twins:
        return
    if not protocol.has_twins:
        raise TopologyProblem(
            f"nodes cannot keep a twin of {device.name!r}: their mapper does not speak "
            f"{protocol.name}",
            at,
            "Omit `twins`: the device is served with its ground truth anyway.",
        )
    if protocol.twin_name not in MAPPER_SPEAKS:
        raise TopologyProblem(
            f"the protocol {protocol.name} declares that the mapper calls it "
            f"{protocol.twin_name!r}, which the mapper does not support",
            at,
            f"It supports {' and '.join(sorted(MAPPER_SPEAKS))}.",
        )


def _check_sampled(protocol: DeviceProtocol, device: Device, at: Loc) -> None:
    can = protocol.can_be_sampled(device)
    if device.sampled and not can:
        raise TopologyProblem(
            f"{device.name!r} cannot be sampled: samplers do not speak {protocol.name} as this "
            "device does",
            at,
            "Omit `sampled`: the device is served with its ground truth anyway.",
        )
    if can and device.sampled is not False and protocol.sampler_name not in SAMPLER_SPEAKS:
        raise TopologyProblem(
            f"the protocol {protocol.name} declares that samplers call it "
            f"{protocol.sampler_name!r}, which they do not support",
            (*at[:-1], "protocol"),
            f"They support {' and '.join(sorted(SAMPLER_SPEAKS))}; `sampled: false` disables them.",
        )
