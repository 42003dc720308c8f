"""The units other than the broker: streams, source, activator, and the function that is a unit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edge_lab.addons.functions.limits import Watched
from edge_lab.addons.functions.names import (
    ACTIVATOR,
    BROKER,
    FUNCTION,
    SOURCE,
    STATE,
    STREAMS,
    unit,
)
from edge_lab.addons.functions.place import Place
from edge_lab.addons.functions.ways import PROCESS, STATIC_POD, Way
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

IDLE_SECONDS = 5.0
"""A function is stopped when no event has waited for it for this time."""
SILENT_SECONDS = 20.0
"""A connected broker that does not answer a publish for this time is restarted: after a failed
write, nats-server 2.15.1 no longer serves the stream, but reports that it is healthy."""
LEAST_POLL_MS = 50
PAYLOAD_BYTES = 4096
"""Size of the additional data of an event, such as a picture. It exceeds the free part of an
allocated disk block, so that a full disk refuses the first event."""
STATIC_POD_FILE = "function.json"
"""Name of the manifest in the kubelet's folder of static pods."""


def _service(name: str, description: str, command: tuple[str, ...], *after: str) -> Service:
    return Service(
        name=name,
        description=description,
        command=command,
        after=tuple(map(unit, after)),
        wants=tuple(map(unit, after)),
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )


# -- streams --------------------------------------------------------------------------------------


def node_streams_command(place: Place, ways: Sequence[Way]) -> tuple[str, ...]:
    names = ",".join(way.name for way in ways)
    return (
        *(place.program, "prepare", "--server", place.url),
        *("--node", place.node, "--ways", names),
    )


def cloud_streams_command(place: Place, nodes: Sequence[str]) -> tuple[str, ...]:
    return (place.program, "prepare", "--server", place.url, "--from", ",".join(nodes))


def streams_provision(command: tuple[str, ...]) -> Provision:
    service = Service(
        name=STREAMS,
        description="Creation of the JetStream streams for device events",
        command=command,
        kind="oneshot",
        after=(unit(BROKER),),
        wants=(unit(BROKER),),
        mounts=(str(PAYLOAD_MOUNT),),
    )
    return service.provision()


# -- the source -----------------------------------------------------------------------------------


def source_config(place: Place, watched: Sequence[Watched], ways: Sequence[Way]) -> dict[str, Any]:
    """The configuration for images/go/functions/internal/source."""
    devices = {source.device.name: source for source in watched}
    # Two reads per step, like samplers.
    poll = min(source.device.period_ms for source in watched) // 2
    return {
        "node": place.node,
        "server": place.url,
        "journal": place.source_journal,
        "poll_ms": max(LEAST_POLL_MS, poll),
        "ways": [way.name for way in ways],
        "devices": [
            {"name": name, "address": device.address, "unit": device.unit}
            for name, device in devices.items()
        ],
        "limits": [
            {
                "device": source.device.name,
                "point": source.limit.point,
                "register": source.register,
                "kind": source.kind,
                "above": source.limit.above,
                "again_below": source.limit.again_below,
            }
            for source in watched
        ],
        "payload_bytes": PAYLOAD_BYTES,
        "restart": ["/usr/bin/systemctl", "restart", "--no-block", unit(BROKER)],
        "restart_after_ms": round(SILENT_SECONDS * 1000),
    }


def source_command(place: Place) -> tuple[str, ...]:
    return (place.program, "source", "--config", place.config("source"))


def source_provision(place: Place, watched: Sequence[Watched], ways: Sequence[Way]) -> Provision:
    service = _service(
        SOURCE, "Events of devices over their limits", source_command(place), BROKER, STREAMS
    )
    return service.provision(_file(place.config("source"), source_config(place, watched, ways)))


def storm_command(place: Place, way: str, count: int) -> tuple[str, ...]:
    """Publishes `count` events for one way at once."""
    return (
        *(place.program, "storm", "--server", place.url, "--node", place.node),
        *("--way", way, "--count", str(count), "--payload", str(PAYLOAD_BYTES)),
        *("--journal", place.storm_journal),
    )


# -- waking ---------------------------------------------------------------------------------------


def activator_config(place: Place, ways: Sequence[Way]) -> dict[str, Any]:
    """The configuration for images/go/functions/internal/activator."""
    how: dict[str, dict[str, Any]] = {
        PROCESS.name: {
            # Without waiting for the start: the activator must not block.
            "start": ["/usr/bin/systemctl", "start", "--no-block", unit(FUNCTION)],
            "stop": ["/usr/bin/systemctl", "stop", unit(FUNCTION)],
        },
        STATIC_POD.name: {
            "manifest": place.config("pod"),
            "into": f"{place.pods}/{STATIC_POD_FILE}",
        },
    }
    return {
        "node": place.node,
        "server": place.url,
        "journal": place.activator_journal,
        "idle_ms": round(IDLE_SECONDS * 1000),
        "ways": [{"name": way.name, **how[way.name]} for way in ways if way.by_activator],
    }


def activator_command(place: Place) -> tuple[str, ...]:
    return (place.program, "activate", "--config", place.config("activator"))


def activator_provision(place: Place, ways: Sequence[Way]) -> Provision:
    service = _service(
        ACTIVATOR, "Wakes functions of this node", activator_command(place), BROKER, STREAMS
    )
    return service.provision(_file(place.config("activator"), activator_config(place, ways)))


# -- the function ---------------------------------------------------------------------------------


def function_arguments(place: Place, way: Way) -> tuple[str, ...]:
    """The arguments of a function, for any way."""
    return (
        *("handle", "--way", way.name),
        *("--server", place.url, "--records", place.records(way.name)),
    )


def function_provision(place: Place) -> Provision:
    """The unit that is a function. It is not enabled, so it is not started at boot."""
    service = Service(
        name=FUNCTION,
        description="Event-driven function",
        command=(place.program, *function_arguments(place, PROCESS)),
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )
    return Provision(files=service.provision().files)


def _file(path: str, content: dict[str, Any]) -> GuestFile:
    return GuestFile.text(path, json.dumps(content, indent=2) + "\n")
