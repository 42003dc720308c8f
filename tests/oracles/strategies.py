"""Recordings of whatever may have been recorded, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import Cut, Fault, Kill, Pause, PowerOff, Reboot
from tests.oracles.recordings import (
    NODE,
    POD,
    answered,
    api,
    at,
    containers,
    fault,
    pod,
    ready,
    samples,
    waiting,
)

seconds = st.integers(0, 240)
node_views = st.lists(st.tuples(seconds, st.sampled_from(["True", "False", "Unknown", "Absent"])))
pods = st.lists(
    st.builds(
        pod,
        seconds,
        st.sampled_from(["uid-1", "uid-2"]),
        st.integers(0, 3),
        gone=st.booleans(),
        deleting=st.booleans(),
    ),
    max_size=6,
)
runs = st.lists(
    st.builds(
        lambda time, ids, uid, name: containers(time, *sorted(ids), uid=uid, pod=name),
        seconds,
        st.sets(st.sampled_from(["a", "b", "c"]), max_size=2),
        st.sampled_from(["uid-1", "uid-2"]),
        st.sampled_from([POD, "other"]),
    ),
    max_size=8,
)
answers = st.lists(
    st.tuples(seconds, st.booleans(), st.sampled_from(["", "boot-1", "boot-2"])), max_size=6
)
backlogs = st.lists(st.tuples(seconds, st.integers(0, 9)), max_size=6)
apis = st.lists(st.tuples(seconds, st.booleans()), max_size=4)
KINDS: list[Fault] = [
    Cut(link="arm-cloud"),
    PowerOff(node=NODE),
    Pause(node=NODE),
    Reboot(node=NODE),
    Reboot(node=NODE, orderly=True),
    Kill(node="server", service="k3s"),
]
kinds = st.sampled_from(KINDS)
times = st.tuples(seconds, seconds, seconds, seconds).map(sorted)


@st.composite
def faults(draw: st.DrawFn) -> Any:
    found = []
    for number in range(draw(st.integers(0, 3))):
        began, *rest = draw(times)
        known = draw(st.integers(0, 3))
        later = [*rest[:known], *[None] * (3 - known)]
        found.append(fault(number + 1, draw(kinds), began, *later))
    return tuple(found)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    def ordered(found: Any) -> Any:
        return tuple(sorted(found, key=lambda each: each.time))

    return Recording(
        began=at(0),
        ended=at(draw(seconds)),
        runtime="k3s+kubeedge",
        nodes=(NODE,),
        faults=draw(faults()),
        node_seen=ordered(ready(*draw(node_views))),
        pod_seen=ordered(draw(pods)),
        container_seen=ordered(draw(runs)),
        answered=ordered(answered(*draw(answers))),
        waiting_seen=ordered(waiting(draw(backlogs))),
        api_seen=ordered(api(*draw(apis))),
        samples=draw(st.sampled_from([(), (samples(20),)])),
    )
