"""Recordings as a good run leaves them, to be altered: all times in seconds from START."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from edge_lab.addons.workload.records import CollectedSample, SampleCounts
from edge_lab.devices.truth import TruthStep
from edge_lab.evidence.recording import (
    ApiSeen,
    ContainerSeen,
    NodeAnswered,
    NodeSeen,
    PodSeen,
    Recording,
    WaitingSeen,
)
from edge_lab.evidence.samples import SampleObservation
from edge_lab.faults.kinds import Cut, Fault, PowerOff
from edge_lab.faults.records import FaultRecord

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
NODE, POD = "edge-arm", "sampler-edge-arm"
NAMESPACE = "edge-lab"


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def fault(
    number: int,
    what: Fault,
    began: float,
    seen: float | None,
    heal_began: float | None = None,
    healed: float | None = None,
) -> FaultRecord:
    def time(seconds: float | None) -> int | None:
        return None if seconds is None else at(seconds)

    return FaultRecord(
        id=number,
        fault=what,
        began=at(began),
        seen=time(seen),
        proof="no answer",
        heal_began=time(heal_began),
        healed=time(healed),
        cure="answers again",
    )


def ready(*changes: tuple[float, str], node: str = NODE) -> tuple[NodeSeen, ...]:
    return tuple(NodeSeen(time=at(time), node=node, ready=state) for time, state in changes)


def pod(time: float, uid: str = "uid-1", restarts: int = 0, **change: Any) -> PodSeen:
    seen = PodSeen(
        time=at(time),
        node=NODE,
        namespace=NAMESPACE,
        name=POD,
        uid=uid,
        phase="Running",
        ready=True,
        restarts=restarts,
    )
    return seen.model_copy(update=change)


def containers(
    time: float, *ids: str, uid: str = "uid-1", node: str = NODE, pod: str = POD
) -> ContainerSeen:
    return ContainerSeen(
        time=at(time), node=node, namespace=NAMESPACE, pod=pod, uid=uid, running=ids
    )


def answered(*changes: tuple[float, bool, str], node: str = NODE) -> tuple[NodeAnswered, ...]:
    return tuple(
        NodeAnswered(time=at(time), node=node, answered=yes, boot=boot)
        for time, yes, boot in changes
    )


def waiting(counts: Iterable[tuple[float, int]], node: str = NODE) -> tuple[WaitingSeen, ...]:
    return tuple(
        WaitingSeen(time=at(time), node=node, waiting=count, sampled=int(time) + 1)
        for time, count in counts
    )


def api(*changes: tuple[float, bool]) -> tuple[ApiSeen, ...]:
    return tuple(ApiSeen(time=at(time), answered=yes) for time, yes in changes)


def samples(last: int = 200, node: str = NODE, late: Sequence[int] = ()) -> SampleObservation:
    def values(seq: int) -> dict[str, int | float]:
        return {"force": seq + 0.5, "parts": seq}

    return SampleObservation(
        node=node,
        device="press",
        truth=tuple(
            TruthStep(seq, at(seq), values(seq), {"heat": 1.0}, 700) for seq in range(1, last + 1)
        ),
        counts=SampleCounts(
            sampled=last,
            acknowledged=last,
            waiting=0,
            sent=last,
            last_seq=last,
            read_errors=0,
            connected=True,
            last_error="",
        ),
        collected=tuple(
            CollectedSample(
                node=node,
                device="press",
                number=seq,
                seq=seq,
                sampled=at(seq),
                received=at(seq + (60 if seq in late else 0.3)),
                values=values(seq),
            )
            for seq in range(1, last + 1)
        ),
    )


def cut_and_healed() -> Recording:
    """The uplink is out from 60 to 152 s; detected at 101, Ready at 162, backlog in at 170."""
    rising = [(float(time), time - 62) for time in range(62, 153, 5)]
    return Recording(
        began=at(0),
        ended=at(240),
        runtime="kubernetes+kubelet",
        nodes=(NODE,),
        faults=(fault(1, Cut(link="arm-cloud"), 60, 61, 150, 152),),
        node_seen=ready((1, "True"), (101, "Unknown"), (162, "True")),
        pod_seen=(pod(1),),
        container_seen=(containers(1, "first"),),
        answered=answered((0, True, "boot-1")),
        waiting_seen=waiting([(2, 1), (40, 2), *rising, (160, 60), (170, 2), (230, 1)]),
        api_seen=api((0, True)),
        samples=(samples(late=range(70, 140)),),
    )


def power_lost() -> Recording:
    """Without power from 60 to 100 s; up at 98 with a new container at 110, Ready at 115."""
    return cut_and_healed().model_copy(
        update={
            "faults": (fault(1, PowerOff(node=NODE), 60, 62, 90, 100),),
            "node_seen": ready((1, "True"), (103, "Unknown"), (115, "True")),
            "pod_seen": (pod(1), pod(114, restarts=1)),
            "container_seen": (containers(1, "first"), containers(110, "second")),
            "answered": answered((0, True, "boot-1"), (64, False, ""), (98, True, "boot-2")),
            "waiting_seen": waiting([(2, 1), (40, 2), (112, 6), (118, 1)]),
            "samples": (samples(),),
        }
    )
