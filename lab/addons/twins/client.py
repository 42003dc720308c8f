"""The lab's client for twins: reported and desired values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edge_lab.addons.twins.names import API_GROUP, NAMESPACE
from edge_lab.addons.twins.status import TwinStatus, parse_status
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl

DEVICES = f"devices.{API_GROUP}"
STATUSES = f"devicestatuses.{API_GROUP}"

UNDO_SECONDS = 60.0
"""Minimum seconds to withdraw desired values, whatever the caller's deadline."""


class TwinClient:
    """Device and DeviceStatus objects of one lab."""

    def __init__(self, kubectl: Kubectl, namespace: str = NAMESPACE) -> None:
        self._kubectl = kubectl
        self.namespace = namespace

    # -- reported --------------------------------------------------------------------------

    def status(self, name: str, deadline: Deadline) -> TwinStatus:
        """The status of a twin; empty if there is none yet."""
        found = self._kubectl.find(STATUSES, name, "-n", self.namespace, deadline=deadline)
        return parse_status(found) if found else TwinStatus(name)

    def statuses(self, deadline: Deadline) -> dict[str, TwinStatus]:
        """The status of all twins, by name."""
        found = self._kubectl.items(STATUSES, "-n", self.namespace, deadline=deadline)
        return {status.name: status for status in map(parse_status, found)}

    # -- desired ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def desiring(self, name: str, values: Mapping[str, str], deadline: Deadline) -> Iterator[None]:
        """Sets desired `values` of a twin by property, and withdraws them at the end.

        The device keeps what was written by then.  A property that is missing in the Device
        object is added to it, and removed again.

        Raises:
            LabError: there is no such twin, or the API server does not answer.
        """
        before = self._properties(name, deadline)
        try:
            # It may have been applied although there was no response.
            self.desire(name, values, deadline)
            yield
        finally:
            # The caller's deadline may have passed, but its changes must be undone.
            self._put(
                name,
                before,
                max(deadline, Deadline.scaled(UNDO_SECONDS), key=lambda limit: limit.remaining),
            )

    def desire(self, name: str, values: Mapping[str, str], deadline: Deadline) -> None:
        """Like `desiring`, but permanent."""
        properties = self._properties(name, deadline)
        for property_name, value in values.items():
            found = next((known for known in properties if known["name"] == property_name), None)
            if found is None:
                found = {"name": property_name}
                properties.append(found)
            found["desired"] = {"value": value}
        self._put(name, properties, deadline)

    def _properties(self, name: str, deadline: Deadline) -> list[dict[str, Any]]:
        found = self._kubectl.find(DEVICES, name, "-n", self.namespace, deadline=deadline)
        if found is None:
            raise LabError(
                f"there is no twin {name} in the cluster",
                remedy="Add the node to the device's `twins` in the topology.",
            )
        return list(found["spec"].get("properties") or ())

    def _put(self, name: str, properties: list[dict[str, Any]], deadline: Deadline) -> None:
        # A merge patch replaces whole lists, so that added items are removed.
        patch = {"spec": {"properties": properties}}
        self._kubectl.patch(DEVICES, name, "-n", self.namespace, patch=patch, deadline=deadline)
