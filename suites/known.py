"""Known failures of products that affect several suites."""

from __future__ import annotations

import pytest

KUBEEDGE_TRACKER = "https://github.com/kubeedge/kubeedge/issues"


def _intermittent(seen: str, tracker: str) -> pytest.MarkDecorator:
    """Intermittent failures of KubeEdge v1.23.1."""
    return pytest.mark.known_failure(
        runtime="kubeedge",
        tracker=tracker,
        seen=f"v1.23.1: {seen}",
        look_again="2027-05-27",
        by_chance=True,
    )


edgecore_ends_containers = _intermittent(
    "edgecore ends the containers of its node as orphans at its start, if "
    "housekeeping comes before it has read the list of its pods; many never run again",
    f"{KUBEEDGE_TRACKER}/6559",
)
"""For tests that kill edgecore."""

edgecore_waits_on_dead_connections = _intermittent(
    "edgecore waits for no answer to its keepalives; it gives up when no more fits "
    "into the dead connection, as soon as it has said enough",
    f"{KUBEEDGE_TRACKER}/6965",
)
"""For tests of half-open connections, on nodes that have data to send."""

cloudcore_undoes_reports = _intermittent(
    "cloudcore writes all of a twin's properties from a cache, which its own watch "
    "sets back to what was written before the last report (deviceStatusUpdated of the device "
    "controller); the tracker has no report of it",
    KUBEEDGE_TRACKER,
)
"""For tests of a twin whose properties are reported within milliseconds of one another."""
