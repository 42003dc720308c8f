"""Components that are built here, each by the kind of its recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge_lab.artifacts.cache import ArtifactCache
from edge_lab.artifacts.firmware import FIRMWARE, FirmwareBuilds, firmware_source
from edge_lab.artifacts.gomodules import BuildFailed, Toolchain
from edge_lab.artifacts.model import Artifact, CannotBuild, Refusal, Want
from edge_lab.artifacts.modulebuilds import ModuleBuilds, built_from
from edge_lab.artifacts.orders import Order
from edge_lab.core.deadline import Deadline


class Builds:
    """Builds orders into the cache; logs and caches of builds are in `home`."""

    def __init__(self, cache: ArtifactCache, home: Path) -> None:
        self._modules = ModuleBuilds(cache, home)
        self._firmware = FirmwareBuilds(cache, home)

    def refusal(self, order: Order, toolchain: Toolchain | str) -> Refusal | None:
        """Why the order cannot be built here; builds nothing."""
        if order.firmware is not None:
            return self._firmware.refusal(order)
        return self._modules.refusal(order, toolchain)

    def source(self, order: Order) -> str:
        """What the order would be built from, in words."""
        if order.firmware is not None:
            return firmware_source(order.component)
        return built_from(order.component, order.module)

    def build_all(
        self,
        orders: Sequence[Order],
        toolchain: Toolchain | str,
        refusals: Mapping[Want, list[Refusal]],
        deadline: Deadline,
    ) -> Iterator[dict[Want, Artifact]]:
        """Builds all orders, none of which is refused; yields each result as soon as it is
        available.

        Raises:
            CannotBuild: a build failed; with `refusals`, those of the sources before it.
        """
        for order in orders:
            if order.firmware is not None:
                try:
                    yield {order.want: self._firmware.build(order, deadline)}
                except BuildFailed as trouble:
                    refusals[order.want].append(Refusal(FIRMWARE, trouble.reason))
                    raise CannotBuild({order.want: refusals[order.want]}) from trouble
        of_modules = [order for order in orders if order.firmware is None]
        if isinstance(toolchain, Toolchain):
            yield from self._modules.build_all(of_modules, toolchain, refusals, deadline)
