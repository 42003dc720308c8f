"""Readings of data sets: hits and misses, and their times compared with the uplink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.cache.content import DATA_SETS
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Drop, Profile
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.measuring.percentile import percentile
from suites.cache.judging import wrong_reads
from suites.cache.onnode import Nodes
from suites.edges import uplink
from suites.passing import nothing_wrong

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Data"),
    pytest.mark.needs("cache-outlives-upstream"),
]

READS, DIRECT_READS = 20, 3
LINES = (
    pytest.param("3g", marks=pytest.mark.scenario("data sets over a slow line"), id="3g"),
    pytest.param("geo", marks=pytest.mark.scenario("data sets over a satellite line"), id="geo"),
)
"""Profiles of the uplink: one is slow, the other fast with a round trip of 600 ms."""


def ranks_of(count: int) -> tuple[int, ...]:
    """The percentiles that are meaningful for so many readings."""
    return () if not count else (50, 99) if count >= READS else (50,)


@pytest.mark.core
@pytest.mark.parametrize("line", LINES)
@allure.title("{edge_node} reads data from its cache over an uplink like {line}, and without one")
def test_data_is_read_from_the_cache(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    line: str,
) -> None:
    name, node, data = edge_node.name, cache_node(edge_node.name), DATA_SETS[0]
    link = uplink(lab, name)
    node.purge_site()
    with faults.inflict(Profile(link=link, name=line)):
        direct = node.read(data, DIRECT_READS, direct=True)
        reads = node.read(data, READS)
        before = node.received(link)
        reads += node.read(data, READS)
        came = node.received(link) - before
    with faults.inflict(Drop(link=link)):
        silent = node.read(data, DIRECT_READS)
    hits = [read.milliseconds for read in reads if read.cache == "HIT"]
    measure(
        "hit rate of data",
        100 * len(hits) / len(reads),
        unit="%",
        better="higher",
        node=name,
        evidence=f"{len(reads)} readings of {data.name}",
    )
    for label, times in (
        (f"uplink {line}", [read.milliseconds for read in direct]),
        ("miss", [reads[0].milliseconds]),
        ("hit", hits),
        ("hit, uplink silent", [read.milliseconds for read in silent]),
    ):
        for rank in ranks_of(len(times)):
            measure(
                "reading of 2 MiB",
                percentile(sorted(times), rank),
                unit="ms",
                better="lower",
                node=name,
                label=f"{label}, p{rank}",
                evidence=f"{len(times)} readings",
            )
    assert all(read.sha256 == data.sha256 for read in direct)
    for seen, hits_after in ((reads, 1), (silent, 0)):
        nothing_wrong(wrong_reads(seen, data.sha256, hits_after=hits_after))
    assert came < data.mib * 1024 * 1024, (
        f"{came} bytes were received over the uplink for cached data"
    )
