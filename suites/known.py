"""Failures of a product that more than one suite meets."""

from __future__ import annotations

import pytest

KUBEEDGE_TRACKER = "https://github.com/kubeedge/kubeedge/issues"

edgecore_ends_containers = pytest.mark.known_failure(
    runtime="kubeedge",
    tracker=f"{KUBEEDGE_TRACKER}/6559",
    seen="v1.23.1: edgecore ends the containers of its node as orphans at its start, if "
    "housekeeping comes before it has read the list of its pods; many never run again",
    look_again="2027-05-27",
    by_chance=True,
)
"""For tests that kill edgecore."""

edgecore_waits_on_dead_connections = pytest.mark.known_failure(
    runtime="kubeedge",
    tracker=f"{KUBEEDGE_TRACKER}/6965",
    seen="v1.23.1: edgecore waits for no answer to its keepalives; it gives up when no more fits "
    "into the dead connection, as soon as it has said enough",
    look_again="2027-05-27",
    by_chance=True,
)
"""For tests of connections that die without a word, on nodes that have something to say."""

cloudcore_undoes_reports = pytest.mark.known_failure(
    runtime="kubeedge",
    tracker=KUBEEDGE_TRACKER,
    seen="v1.23.1: cloudcore writes all of a twin's properties from a cache, which its own watch "
    "sets back to what was written before the last report (deviceStatusUpdated of the device "
    "controller); the tracker has no report of it",
    look_again="2027-05-27",
    by_chance=True,
)
"""For tests of a twin whose properties are reported within milliseconds of one another."""
