"""The observations of one twin over some time, for its oracle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_lab.addons.twins.manifests import properties_of
from edge_lab.addons.twins.names import twin_name
from edge_lab.devices.protocols import protocol_of
from edge_lab.observe.twinwatch import TwinWatch
from edge_lab.oracles.twins import TwinObservation, reported_values
from edge_lab.topology import Device

if TYPE_CHECKING:
    from edge_lab.devices import DeviceClient


def observe_twin(
    watch: TwinWatch,
    device: Device,
    node: str,
    client: DeviceClient,
    *,
    began: int,
    collect_s: float,
) -> TwinObservation:
    """The observations of `watch` since `began` (ns), and the device's truth after them.

    Earlier observations are the known values. `collect_s` is the collect cycle of the twin, s.
    """
    twin = twin_name(device.name, node)
    seen = watch.sightings(twin)
    before = [sighting.status for sighting in seen if sighting.time < began]
    sightings = tuple(sighting for sighting in seen if sighting.time >= began)
    ended = time.time_ns()
    return TwinObservation(
        twin=twin,
        began=began,
        ended=ended,
        sightings=sightings,
        truth=client.steps(),
        points={
            twin_property.point.name: twin_property.point for twin_property in properties_of(device)
        },
        raw=protocol_of(device.protocol).truth_is_raw,
        collect_s=collect_s,
        known=reported_values(before[-1]) if before else {},
    )
