"""Scenarios for node pools, and their evidence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.pools.names import POD_POOL_LABEL, POOL_LABEL, SITE
from edge_lab.addons.pools.objects import configuration, tweak, tweaks
from edge_lab.addons.witness import running_at
from edge_lab.cluster.labels import REGION_LABEL
from suites.pools.evidence import Away, Change, Neighbour, Placement, Traffic
from suites.pools.side import Side
from suites.waiting import watch

CHANGE_SECONDS = 180.0
"""Seconds from a change until it runs on an emulated node."""
BACK_SECONDS = 300.0
"""Seconds from a heal until the new configuration runs."""
SETTLE_SECONDS = 420.0
"""Seconds for the initial state of a scenario."""
LOST_SECONDS = 120.0
AWAY_SECONDS = 35.0
"""Watched while nodes are cut off, after all that was to happen has happened."""
AFTER_SECONDS = 20.0
"""Watched after the new configuration runs, for more starts."""
TRAFFIC_SECONDS = 120.0

Configured = Mapping[str, str]
"""By pool, its configuration."""


# -- parts -----------------------------------------------------------------------------------


def pool_of(side: Side, node: str) -> str:
    """According to the topology."""
    return next(pool for pool, nodes in side.pools.items() if node in nodes)


def all_nodes(side: Side) -> tuple[str, ...]:
    return tuple(node for nodes in side.pools.values() for node in nodes)


def sizes(side: Side) -> dict[str, int]:
    return {pool: len(nodes) for pool, nodes in side.pools.items()}


def named(side: Side) -> Configured:
    """A new configuration for each pool."""
    name = side.name()
    return {pool: configuration(pool, name) for pool in side.pools}


def runs_alone(side: Side, node: str, configured: str) -> bool:
    """Whether the node runs one pod, with this configuration."""
    return running_at(side.runs(node), SITE, side.now()) == (configured,)


def _lose_power(side: Side, nodes: Sequence[str], configured: str) -> float:
    """Nodes lose their power, and start this configuration again, or not in time; returns when
    they lost it."""
    off = side.now()
    side.reset(nodes)

    def runs_again(node: str) -> bool:
        return any(
            run.revision == configured and run.ended is None and run.began > off
            for run in side.runs(node)
        )

    side.seen(lambda: all(map(runs_again, nodes)), BACK_SECONDS)
    return off


def configure(side: Side, configured: Configured) -> None:
    side.configure(tweaks(configured, sizes(side)))


def at_home(side: Side) -> bool:
    """Whether all nodes are in the pools of the topology."""
    return all(side.members(pool) == frozenset(nodes) for pool, nodes in side.pools.items())


def go_home(side: Side) -> None:
    """Moves nodes back into the pools of the topology."""
    for pool, nodes in side.pools.items():
        for node in nodes:
            if side.labels(node).get(POOL_LABEL) != pool:
                side.move(node, pool)
            side.set_hub_pool(node, pool)


@contextlib.contextmanager
def home_again(side: Side) -> Iterator[None]:
    """After the block, nodes are moved back, and each pool has as many pods as nodes."""
    try:
        yield
    finally:
        go_home(side)
        configure(side, named(side))


def settle(side: Side) -> Configured:
    """Each node is in the pool of the topology, and runs a new configuration of it alone: the
    initial state of a scenario."""
    go_home(side)
    side.until("all nodes are in their pools", lambda: at_home(side), SETTLE_SECONDS)
    configured = named(side)
    configure(side, configured)
    side.until(
        "each node runs the configuration of its pool alone",
        lambda: all(
            runs_alone(side, node, configured[pool_of(side, node)]) for node in all_nodes(side)
        ),
        SETTLE_SECONDS,
    )
    return configured


# -- configurations --------------------------------------------------------------------------


def placement(side: Side, *, exchanged: bool = False) -> list[Placement]:
    """Each pool gets a new configuration. With `exchanged`, the planted defect, each tweak names
    the next pool in place of its own."""
    settle(side)
    configured = named(side)
    pools = list(side.pools)
    targets = [*pools[1:], *pools[:1]] if exchanged else pools
    size = sizes(side)
    changed = side.now()
    side.configure(
        [
            tweak(target, configured[pool], size[target])
            for pool, target in zip(pools, targets, strict=True)
        ]
    )
    given = {target: configured[pool] for pool, target in zip(pools, targets, strict=True)}
    nodes = all_nodes(side)
    side.seen(
        lambda: all(runs_alone(side, node, given[pool_of(side, node)]) for node in nodes),
        CHANGE_SECONDS,
    )
    found = []
    for node in nodes:
        pool, observed_at = pool_of(side, node), side.now()
        found.append(
            Placement(
                node=node,
                runtime=side.runtime(node),
                pool=pool,
                members=side.members(pool),
                region=side.labels(node).get(REGION_LABEL, ""),
                configuration=configured[pool],
                changed=changed,
                observed_at=observed_at,
                runs=side.runs(node),
            )
        )
    return found


def neighbour(side: Side, pool: str) -> list[Neighbour]:
    """Only the configuration of `pool` changes."""
    before = settle(side)
    changed_to = configuration(pool, side.name())
    changed = side.now()
    configure(side, {**before, pool: changed_to})
    reached = side.seen(
        lambda: all(runs_alone(side, node, changed_to) for node in side.pools[pool]),
        CHANGE_SECONDS,
    )
    watch(side, AFTER_SECONDS)
    observed_at = side.now()
    return [
        Neighbour(
            node, side.runtime(node), before[other], changed, observed_at, reached, side.runs(node)
        )
        for other, nodes in side.pools.items()
        if other != pool
        for node in nodes
    ]


# -- traffic ---------------------------------------------------------------------------------


def _addresses(pods: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """By pool, the addresses of pods that are Ready."""
    found: dict[str, frozenset[str]] = {}
    for pod in pods:
        status = pod.get("status", {})
        ready = any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions", ())
        )
        if ready and "deletionTimestamp" not in pod["metadata"] and "podIP" in status:
            pool = pod["metadata"]["labels"][POD_POOL_LABEL]
            found[pool] = found.get(pool, frozenset()) | {status["podIP"]}
    return found


def traffic_now(side: Side, node: str, service: str, pool: str = "") -> Traffic:
    """The endpoints that a node is given. `pool` is that of the node, by default the topology's."""
    pool = pool or pool_of(side, node)
    given = side.given(node, service)
    addresses = _addresses(side.pods())
    foreign = frozenset().union(*(found for name, found in addresses.items() if name != pool))
    return Traffic(
        node=node,
        runtime=side.runtime(node),
        service=service,
        pool=pool,
        own=addresses.get(pool, frozenset()),
        foreign=foreign,
        given=given,
    )


def _complete(traffic: Traffic) -> bool:
    """Whether the node has what its own pool has, and nothing that has ended."""
    return traffic.own <= traffic.given <= traffic.own | traffic.foreign and bool(traffic.own)


def traffic(side: Side, service: str) -> list[Traffic]:
    """The endpoints of a Service on each node, when they are those of pods that run."""
    settle(side)
    found: list[Traffic] = []

    def look() -> bool:
        found[:] = [traffic_now(side, node, service) for node in all_nodes(side)]
        return all(map(_complete, found))

    side.seen(look, TRAFFIC_SECONDS)
    # They stay: what changed last may still be on its way to the node.
    watch(side, AFTER_SECONDS)
    look()
    return found


# -- cut off ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class CutOff:
    """A pool that was cut off while configurations changed."""

    away: tuple[Away, ...]
    others: tuple[Change, ...]
    """The nodes of the other pools."""
    back: tuple[Change, ...]
    """The nodes of the pool, after the heal."""


def cut_off(side: Side, pool: str, *, reset: bool = False) -> CutOff:
    """All nodes of a pool are cut off; then all pools get new configurations. With `reset`, the
    nodes that are cut off lose their power after that."""
    before = settle(side)
    nodes = side.pools[pool]
    others = [node for node in all_nodes(side) if node not in nodes]
    after = named(side)
    with side.offline(nodes):
        began = side.now()
        noticed = side.seen(lambda: not any(map(side.ready, nodes)), LOST_SECONDS)
        changed = side.now()
        configure(side, after)
        side.seen(
            lambda: all(runs_alone(side, node, after[pool_of(side, node)]) for node in others),
            CHANGE_SECONDS,
        )
        lost_power = _lose_power(side, nodes, before[pool]) if reset else None
        watch(side, AWAY_SECONDS)
        ended = side.now()
        away = tuple(
            Away(
                node=node,
                runtime=side.runtime(node),
                configuration=before[pool],
                began=began,
                ended=ended,
                changed=changed,
                noticed=noticed,
                runs=side.runs(node),
                reset=lost_power,
            )
            for node in nodes
        )
        reached = tuple(
            _change(side, node, before[pool_of(side, node)], after[pool_of(side, node)], changed)
            for node in others
        )
        healed = side.now()
    side.seen(lambda: all(runs_alone(side, node, after[pool]) for node in nodes), BACK_SECONDS)
    watch(side, AFTER_SECONDS)
    back = tuple(
        _change(side, node, before[pool], after[pool], healed, what="heal") for node in nodes
    )
    return CutOff(away, reached, back)


def _change(
    side: Side,
    node: str,
    previous: str,
    configured: str,
    since: float,
    *,
    what: str = "change",
    refused: int | None = None,
) -> Change:
    return Change(
        node=node,
        runtime=side.runtime(node),
        previous=previous,
        configuration=configured,
        since=since,
        observed_at=side.now(),
        runs=side.runs(node),
        what=what,
        refused=refused,
    )


# -- moves -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moved:
    """A node that was moved to another pool while it was offline."""

    away: Away
    back: Change
    kept: Traffic
    """The endpoints of the Service before yurthub was told of the new pool."""
    traffic: Traffic
    """The same after that."""


def moved(side: Side, node: str, pool: str, service: str = SITE) -> Moved:
    """A node is moved to `pool` while it is offline; the numbers of pods are those of nodes."""
    before = settle(side)
    home = pool_of(side, node)
    after = named(side)
    size = sizes(side)
    replicas = {**size, home: size[home] - 1, pool: size[pool] + 1}
    with home_again(side):
        with side.offline([node]):
            began = side.now()
            noticed = side.seen(lambda: not side.ready(node), LOST_SECONDS)
            side.move(node, pool)
            side.until(f"{pool} has {node}", lambda: node in side.members(pool), CHANGE_SECONDS)
            changed = side.now()
            side.configure(tweaks(after, replicas))
            side.seen(lambda: _has_pod(side, node, pool), CHANGE_SECONDS)
            watch(side, AWAY_SECONDS)
            ended = side.now()
            away = Away(
                node=node,
                runtime=side.runtime(node),
                configuration=before[home],
                began=began,
                ended=ended,
                changed=changed,
                noticed=noticed,
                runs=side.runs(node),
            )
            healed = side.now()
        side.seen(lambda: runs_alone(side, node, after[pool]), BACK_SECONDS)
        watch(side, AFTER_SECONDS)
        refused = sum(
            pod["status"].get("phase") == "Failed" and pod["spec"].get("nodeName") == node
            for pod in side.pods()
        )
        back = _change(side, node, before[home], after[pool], healed, what="heal", refused=refused)
        kept = traffic_now(side, node, service, pool)
        side.set_hub_pool(node, pool)
        found = [kept]

        def look() -> bool:
            found[:] = [traffic_now(side, node, service, pool)]
            return found[0].given == found[0].own

        side.seen(look, TRAFFIC_SECONDS)
    return Moved(away, back, kept, found[0])


def _has_pod(side: Side, node: str, pool: str) -> bool:
    """Whether a pod of `pool` is bound to the node."""
    return any(
        pod["spec"].get("nodeName") == node and pod["metadata"]["labels"][POD_POOL_LABEL] == pool
        for pod in side.pods()
    )
