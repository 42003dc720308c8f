"""The interface between scenarios and a lab, or processes of this host in native tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from edge_lab.addons.models.objects import Stages, stage_specs
from edge_lab.addons.models.records import Act, Requests
from edge_lab.addons.models.versions import ModelVersion
from edge_lab.oracles.models.evidence import Step


@dataclass(frozen=True)
class Said:
    """The status of the EdgeModel."""

    generation: int
    """Of its spec."""
    observed: int
    phase: str
    nodes: Mapping[str, Mapping[str, str]]
    """By node: phase, tag, digest, reason."""

    @property
    def complete(self) -> bool:
        return self.observed == self.generation and self.phase == "Complete"

    @property
    def halted(self) -> bool:
        return self.observed == self.generation and self.phase == "Halted"


@contextlib.contextmanager
def canary_region(
    change: Callable[[Mapping[str, Any]], None], stages: Stages, samples: int
) -> Iterator[None]:
    """The first stage is a canary region during the block. `change` is given what to change in the
    spec of the EdgeModel."""
    change({"stages": stage_specs(stages, samples)})
    try:
        yield
    finally:
        change({"stages": stage_specs(stages)})


class Side(Protocol):
    """Nodes with a model, their cloud, and the faults of the scenarios."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Edge nodes whose device judges versions, in the order of rollouts."""
        ...

    @property
    def order(self) -> tuple[str, ...]:
        """All nodes with the model, in the order of rollouts; the cloud's is the last."""
        ...

    @property
    def stages(self) -> Stages:
        """Nodes by the name of their stage, such as their region, in the order of rollouts."""
        ...

    @property
    def versions(self) -> Mapping[str, ModelVersion]: ...

    @property
    def digests(self) -> Mapping[str, str]:
        """By tag."""
        ...

    def runtime(self, node: str) -> str: ...

    def now(self) -> float:
        """Seconds since 1970, by the host's clock."""
        ...

    # -- data --------------------------------------------------------------------------------

    def acts(self, node: str) -> tuple[Act, ...]:
        """All of the agent's journal."""
        ...

    def requests(self, node: str) -> Requests:
        """All of the feed's journal."""
        ...

    def steps(self, node: str) -> tuple[Step, ...]:
        """All steps of the node's device, from its ground truth."""
        ...

    def serving(self, node: str) -> str:
        """Digest of what the node's server has loaded; empty if nothing."""
        ...

    def collected(self, node: str, tag: str) -> int:
        """Bytes of a version's files that are on the node, complete or not."""
        ...

    def size(self, tag: str) -> int:
        """Bytes of a version's files."""
        ...

    def said(self) -> Said: ...

    # -- what people do ----------------------------------------------------------------------

    def want(self, tag: str) -> None:
        """Changes the EdgeModel."""
        ...

    def canary(self, samples: int) -> AbstractContextManager[None]:
        """The first stage has to confirm a version on that many live samples before another node
        gets it."""
        ...

    def roll_back(self, node: str) -> None:
        """Asks for it on the node."""
        ...

    def set_point(self, node: str, raw: int) -> None:
        """Changes the setpoint of the node's device, from the node."""
        ...

    def ask(self, node: str, where: str, count: int) -> Mapping[str, Any]:
        """Times requests from the node to its own server (`edge`) or to the cloud's (`cloud`)."""
        ...

    # -- waiting -----------------------------------------------------------------------------

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        """Waits for a true result of `probe` and returns it; fails the test at the timeout."""
        ...

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        """Whether `probe` has a true result before the timeout."""
        ...

    # -- faults ------------------------------------------------------------------------------

    def offline(self, node: str) -> AbstractContextManager[None]:
        """Cuts off a node from the cloud, but not from its device."""
        ...

    def full_disk(self, node: str) -> AbstractContextManager[None]:
        """No space is left on the file system with the node's versions and journals."""
        ...

    def slow_cloud(self) -> AbstractContextManager[None]:
        """The cloud's own line is a 3G line."""
        ...

    def slow_line(self, node: str) -> AbstractContextManager[None]:
        """The node's uplink is a 3G line."""
        ...

    def reset(self, node: str) -> None:
        """Cuts the power of a node, and waits until it has booted."""
        ...

    def kill_agent(self, node: str) -> None:
        """Kills the agent of a node's models, and waits until it is restarted."""
        ...
