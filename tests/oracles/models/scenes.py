"""Evidence on models that passes every verdict, and how it is altered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge_lab.addons.models.records import Act, FeedRequest, Requests
from edge_lab.addons.models.versions import BETTER, INPUTS, versions_for
from edge_lab.devices.plant import Boiler
from edge_lab.oracles.models.evidence import Evidence, Known, Step
from edge_lab.oracles.verdict import Verdict

VERSIONS = versions_for(1.0)
DIGESTS = {tag: f"sha256:{tag}" for tag in VERSIONS}
KNOWN = Known({DIGESTS[tag]: version for tag, version in VERSIONS.items()})
OLD, NEW = BETTER, "10"
BEGAN = 1000.0
STEPS = 100


def truth() -> tuple[Step, ...]:
    """A step each second."""
    plant = Boiler()
    state = plant.initial(11)
    found = []
    for number in range(STEPS):
        state = plant.advance(state, 70.0, 1.0, 11, number)
        raw = plant.raw(state, 70.0)
        inputs = tuple(float(raw[name]) for name in INPUTS)
        found.append(Step(number, BEGAN + number, inputs))
    return tuple(found)


TRUTH = truth()


def request(step: Step, tag: str) -> FeedRequest:
    output = VERSIONS[tag].output(step.inputs)
    return FeedRequest(step.seq, step.time + 0.1, step.inputs, True, tag, DIGESTS[tag], output, 2.0)


def evidence(serving: Callable[[float], str], *acts: Act) -> Evidence:
    """`serving` is the tag that serves so many seconds after the beginning."""
    requests = tuple(request(step, serving(step.time - BEGAN)) for step in TRUTH)
    return Evidence("edge", "native", BEGAN, BEGAN + STEPS, Requests(requests), acts, TRUTH, KNOWN)


def changed(found: Evidence, seq: int, **values: object) -> Evidence:
    requests = tuple(
        replace(request, **values) if request.seq == seq else request  # type: ignore[arg-type]
        for request in found.requests.sent
    )
    return replace(found, requests=Requests(requests))


def without(found: Evidence, *seqs: int) -> Evidence:
    requests = tuple(request for request in found.requests.sent if request.seq not in seqs)
    return replace(found, requests=Requests(requests))


def red(verdict: Verdict, words: str) -> None:
    assert any(words in problem for problem in verdict.problems), str(verdict)


STEADY = evidence(lambda second: OLD)
