"""Detects failures of the server during an attempt: then the attempt says nothing about the node,
whose floor must not depend on the server's memory."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, EdgeLabError, LabError
from edge_lab.handle.lab import Lab
from suites.memory.shortages import LOG_SECONDS, kernel_log, shortage_in, shortage_in_folder

ANSWER_SECONDS = 60.0
"""Seconds for a busy API server to report that it is ready."""
REMEDY = "Give the server node more memory in the topology, and search again."


def watched_server(lab: Lab) -> Callable[[], str]:
    """Watches from now on; returns a function for the server's problem since then, or nothing."""
    first = _restarts(lab)

    def trouble() -> str:
        if lines := shortage_in(kernel_log(lab, lab.topology.server.name)):
            return f"the server ran out of memory ({lines[0]})"
        restarts = _restarts(lab)
        if restarts is None:
            return "the server does not answer"
        if first is not None and restarts > first:
            return f"units of the server were restarted {restarts - first} times"
        return "" if _is_ready(lab) else "the API server is not ready"

    return trouble


def trouble_in_folder(folder: Path, server: str) -> str:
    """Like `watched_server`, from the evidence of a lab that did not start."""
    lines = shortage_in_folder(folder, server)
    return f"the server ran out of memory ({lines[0]})" if lines else ""


def inconclusive(node: str, mib: int, why: str) -> LabError:
    """The error for an attempt that failed because of its server."""
    return LabError(
        f"the failure of {node} with {mib} MiB is inconclusive: {why}",
        remedy=REMEDY,
    )


def _restarts(lab: Lab) -> int | None:
    """Restarts of all units of the server; None if it does not report them."""
    server = lab.topology.server.name
    units = " ".join(map(shlex.quote, lab.platform.units(lab.topology)[server]))
    with suppress(EdgeLabError, ValueError):
        command = f"systemctl show -p NRestarts --value {units}"
        said = lab.machine(server).run(command, Deadline.scaled(LOG_SECONDS)).stdout
        return sum(int(word) for word in said.split())
    return None


def _is_ready(lab: Lab) -> bool:
    deadline = Deadline.scaled(ANSWER_SECONDS)
    with suppress(DeadlineExceeded):
        deadline.wait_for(
            "the API server is ready",
            lambda: lab.kubectl.raw("/readyz", deadline).strip() == "ok",
            every=1.0,
            transient=NOT_YET,
        )
        return True
    return False
