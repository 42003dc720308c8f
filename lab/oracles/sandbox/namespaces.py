"""Whether a pod sees its node through a host namespace that it requested."""

from __future__ import annotations

from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox.records import PodFacts

MOST_WITHOUT_HOST_PID = 10
"""Maximum processes of a sandbox; a node has many times as many."""


def shows_the_nodes_processes(facts: PodFacts) -> bool:
    """Whether a pod sees more processes than its own.

    Raises:
        LabError: this was not observed: a pod that can read /proc sees at least itself.
    """
    if facts.processes_errno or facts.processes < 1:
        raise LabError(
            f"{facts.tag} saw {facts.processes} processes: {facts.processes_errno or 'no error'}"
        )
    return facts.processes > MOST_WITHOUT_HOST_PID
