"""The timing of a cluster: the periods and grace periods that a lab may set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edge_lab.core.durations import Seconds


class Timing(BaseModel):
    """Seconds; the defaults are Kubernetes' own.

    A lab whose tests wait for these shortens them here, so that the report can list the
    changed values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    node_status_update: Seconds = Field(
        10.0, ge=1, description="Interval at which a kubelet checks its node and reports changes."
    )
    node_lease: Seconds = Field(
        40.0, ge=4, description="Duration of a node's lease, in which it is renewed four times."
    )
    node_monitor_period: Seconds = Field(
        5.0, ge=1, description="Interval at which the control plane checks the leases."
    )
    node_monitor_grace: Seconds = Field(
        50.0, ge=5, description="Time without a heartbeat after which a node is marked Unknown."
    )
    not_ready_toleration: Seconds = Field(
        300.0, description="Default toleration of pods for a node that is not Ready."
    )
    unreachable_toleration: Seconds = Field(
        300.0, description="Default toleration of pods for an unreachable node."
    )
    edge_heartbeat: Seconds = Field(
        10.0, ge=1, description="Interval at which an edge runtime checks the API server."
    )

    def at_pace(self, pace: int) -> Timing:
        """For a host that is `pace` times slower: values below Kubernetes' defaults are multiplied
        by `pace`, up to those defaults."""
        longer = {
            name: max(value, min(value * pace, usual))
            for (name, value), usual in zip(self, Timing().model_dump().values(), strict=True)
        }
        return self.model_copy(update=longer)

    def shortened(self) -> dict[str, float]:
        """The values that differ from Kubernetes' defaults, by name, in seconds."""
        usual = Timing()
        return {
            name: value
            for name, value in self.model_dump().items()
            if value != getattr(usual, name)
        }
