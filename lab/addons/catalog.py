"""The add-ons by name: the lab's own, and those of other distributions.

Another distribution brings an add-on by an entry point of the group `edge_lab.addons`, whose name
is the add-on's and whose object is its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge_lab.addons.base import AddOn
from edge_lab.addons.cache.addon import Cache, PullThrough
from edge_lab.addons.crio.addon import CriO
from edge_lab.addons.critest.addon import Critest
from edge_lab.addons.functions.addon import Functions
from edge_lab.addons.gitops.addon import Gitops
from edge_lab.addons.gvisor.addon import Gvisor, ReleasedGvisor
from edge_lab.addons.hostile.addon import Hostile
from edge_lab.addons.keda.addon import FunctionsKeda
from edge_lab.addons.metrics.addon import Metrics
from edge_lab.addons.metrics.senderaddons import (
    MetricsAgent,
    MetricsPrometheus,
    MetricsThanos,
    MetricsVmagent,
)
from edge_lab.addons.microvm.addon import Microvm
from edge_lab.addons.models.addon import Models
from edge_lab.addons.nodejobs.addon import NodeJobs
from edge_lab.addons.pools.addon import Pools
from edge_lab.addons.services.addon import Services
from edge_lab.addons.spire.addon import Spire
from edge_lab.addons.twins.addon import Twins
from edge_lab.addons.workload.addon import Workload
from edge_lab.core.plugins import PluginGroup

ADDONS: Mapping[str, Callable[[], AddOn]] = {
    addon.name: addon
    for addon in (
        Twins,
        Workload,
        Services,
        Gvisor,
        ReleasedGvisor,
        CriO,
        Hostile,
        Microvm,
        Critest,
        Spire,
        Cache,
        PullThrough,
        Metrics,
        MetricsAgent,
        MetricsPrometheus,
        MetricsVmagent,
        MetricsThanos,
        Gitops,
        Functions,
        FunctionsKeda,
        Models,
        Pools,
        NodeJobs,
    )
}
"""The lab's own."""

PLUGINS: PluginGroup[AddOn] = PluginGroup(
    group="edge_lab.addons",
    what="add-on",
    own=lambda: ADDONS,
    fits=lambda loaded, name: isinstance(loaded, AddOn) and loaded.name == name,
)


def known_addons() -> tuple[str, ...]:
    """The names of all add-ons, without loading any."""
    return PLUGINS.names()


def find_addon(name: str) -> AddOn:
    """The add-on of that name.

    Raises:
        InputError: there is none, or its distribution cannot be imported.
    """
    return PLUGINS.find(name)


def declared_capabilities() -> tuple[str, ...]:
    """All that add-ons may give to nodes."""
    declared = [find_addon(name).declares for name in known_addons()]
    return tuple(sorted(frozenset().union(*declared)))
