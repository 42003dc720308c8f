"""How soon a cluster notices and acts: the periods and graces that a lab may set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edge_lab.core.durations import Seconds


class Timing(BaseModel):
    """Seconds; the defaults are Kubernetes' own.

    A lab whose tests wait for these shortens them here, so that the report can say by what
    the waiting was shortened.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    node_status_update: Seconds = Field(
        10.0, ge=1, description="How often a kubelet looks at its node, and reports a change."
    )
    node_lease: Seconds = Field(
        40.0, ge=4, description="Life of a node's lease; renewed four times in it."
    )
    node_monitor_period: Seconds = Field(
        5.0, ge=1, description="How often the control plane looks at the leases."
    )
    node_monitor_grace: Seconds = Field(
        50.0, ge=5, description="Silence of a node until it is marked Unknown."
    )
    not_ready_toleration: Seconds = Field(
        300.0, description="How long a pod that says nothing itself stays on a node not Ready."
    )
    unreachable_toleration: Seconds = Field(
        300.0, description="How long such a pod stays on a node that is unreachable."
    )
    edge_heartbeat: Seconds = Field(
        10.0, ge=1, description="Between two looks of an edge runtime at the API server."
    )

    def at_pace(self, pace: int) -> Timing:
        """For a host so slow that all takes `pace` times as long: what is shorter than
        Kubernetes' own is `pace` times as long, and no longer than that."""
        longer = {
            name: max(value, min(value * pace, usual))
            for (name, value), usual in zip(self, Timing().model_dump().values(), strict=True)
        }
        return self.model_copy(update=longer)

    def shortened(self) -> dict[str, float]:
        """What differs from Kubernetes' own, by name, in seconds."""
        usual = Timing()
        return {
            name: value
            for name, value in self.model_dump().items()
            if value != getattr(usual, name)
        }
