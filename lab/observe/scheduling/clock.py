"""Reads a guest's clock over the management path, which no fault affects.

A shell in the guest answers each line with its time. It is started beforehand, so a round trip
includes neither a login nor the start of a process, and is short.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.process import marked_environment
from edge_lab.oracles.scheduling.clock import ClockBounds, ClockLook, bounds_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LOOKS = 20
"""Number of round trips; the bounds are the intersection of their intervals."""

SHELL = "while read -r; do echo $EPOCHREALTIME; done"
"""For bash, since these are builtins."""


def node_clock(lab: Lab, node: str, deadline: Deadline) -> ClockBounds:
    """The offset of the node's clock from the host's now.

    Raises:
        LabError: the guest does not answer in time, or a clock was set between two readings.
    """
    # Opens the shared connection: a login takes an emulated CPU ten seconds.
    lab.machine(node).run("true", deadline)
    command = ["ssh", "-F", str(lab.run.ssh_config), "-T", node, "--", SHELL]
    return clock_bounds(node, command, deadline, environment=marked_environment(lab.run.path))


def clock_bounds(
    node: str,
    command: Sequence[str],
    deadline: Deadline,
    *,
    environment: Mapping[str, str] | None = None,
    looks: int = LOOKS,
) -> ClockBounds:
    """By a program that answers each line with its time; `node` is for messages.

    Errors as above.
    """
    with subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as shell:
        patience = threading.Timer(deadline.remaining, shell.kill)
        patience.start()
        try:
            _look(node, shell)  # the first one has waited for the shell to start
            return bounds_of([_look(node, shell) for _ in range(looks)])
        finally:
            patience.cancel()
            shell.kill()


def _look(node: str, shell: subprocess.Popen[bytes]) -> ClockLook:
    assert shell.stdin is not None
    assert shell.stdout is not None
    asked = time.time_ns()
    try:
        shell.stdin.write(b"\n")
        said = shell.stdout.readline().decode(errors="replace").strip()
    except BrokenPipeError as trouble:
        raise LabError(f"{node} does not report its time: the shell has ended") from trouble
    answered = time.time_ns()
    # In some locales the point is a comma.
    seconds, _, micros = said.replace(",", ".").partition(".")
    if not (seconds.isdecimal() and micros.isdecimal() and len(micros) == 6):
        raise LabError(f"{node} does not report its time: {said[:80]!r}")
    return ClockLook(asked, (int(seconds) * 1_000_000 + int(micros)) * 1000, answered)
