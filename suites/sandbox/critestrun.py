"""Runs critest on a node, with the node's agents stopped, since they end unknown pods."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import allure

from edge_lab.addons.containerd import CONFIG
from edge_lab.addons.critest.names import IMAGES_FILE, PROGRAM
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.oracles.sandbox.critest import SpecRecord, focus, parse_report
from edge_lab.provisioning.cri import cri_of
from suites.edges import is_ready

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

UNIT = "edge-lab-critest"
FOLDER = "/run/edge-lab-critest"
REPORT, LOG, SCRIPT = f"{FOLDER}/report.json", f"{FOLDER}/log", f"{FOLDER}/run.sh"
CALL_SECONDS = 120
"""Seconds for one CRI call, in an emulated guest."""
READY_SECONDS = 150.0

REMOVED_SECONDS = 180.0
"""Seconds for containerd to see the end of killed sandboxes, and to remove their pods."""
PLAIN_HANDLER = "runsc-plain"
PLAIN_PROGRAM = f"{FOLDER}/runsc-plain"
KILL_PLAIN = "pkill -KILL -f '[r]unsc.*--network=host'; true"
"""Ends the sandboxes of plain runsc. The shim does not see the end of their containers otherwise,
and containerd does not remove a container that is running."""
_PLAIN = '#!/bin/sh\nexec /usr/bin/runsc --platform=systrap --network=host "$@"\n'
_RUNTIMES = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes'
_PLAIN_RUNTIME = f"""
[{_RUNTIMES}.{PLAIN_HANDLER}]
  runtime_type = "io.containerd.runc.v2"

  [{_RUNTIMES}.{PLAIN_HANDLER}.options]
    BinaryName = "{PLAIN_PROGRAM}"
    SystemdCgroup = false
"""


@contextlib.contextmanager
def without_agents(lab: Lab, node: LabNode, time_limit: TimeLimit) -> Iterator[None]:
    """Stops the agents of the edge runtime while the block runs; afterwards the pods of critest are
    removed, and the node is Ready."""
    agents = " ".join(map(shlex.quote, lab.stack.runtime.agents))
    try:  # they may be stopped even if the response came too late
        node.output(f"mkdir -p {FOLDER} && systemctl stop {agents}", seconds=120)
        yield
    finally:
        with contextlib.ExitStack() as undo:  # all of these, in reverse order, even if one fails
            undo.callback(_until_ready, lab, node, time_limit)
            undo.callback(node.output, f"rm -rf {FOLDER}")
            undo.callback(node.output, f"systemctl start {agents}", seconds=180)
            undo.callback(remove_left, node)
            undo.callback(node.output, f"systemctl stop {UNIT}.service 2>/dev/null || true")


def _until_ready(lab: Lab, node: LabNode, time_limit: TimeLimit) -> None:
    eventually(
        f"{node} is Ready",
        partial(is_ready, lab, node.name, time_limit),
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )


def remove_left(node: LabNode) -> None:
    """Removes the pods that specs left behind, by force."""
    node.output(shlex.join((PROGRAM, *_options(node), "-remove-left")), seconds=600)


def run(
    node: LabNode,
    handler: str,
    specs: Sequence[str],
    time_limit: TimeLimit,
    *,
    seconds: float,
    call_seconds: int = CALL_SECONDS,
) -> tuple[SpecRecord, ...]:
    """The results of `specs` with an OCI runtime of the node's container runtime.

    `seconds` is Ginkgo's timeout for the whole run, on the reference machine; a running spec is
    then interrupted, and reported as such. `call_seconds` is the timeout of one CRI call."""
    words = (
        *(PROGRAM, *_options(node, call_seconds)),
        f"-runtime-handler={handler}",
        f"-test-images-file={IMAGES_FILE}",
        f"--ginkgo.focus={focus(specs)}",
        "--ginkgo.no-color",
        f"--ginkgo.timeout={time_limit(seconds).remaining:.0f}s",
        "--ginkgo.grace-period=10s",
        f"--ginkgo.json-report={REPORT}",
    )
    # By a script, since systemd interprets command lines of units.
    script = shlex.quote(f"exec {shlex.join(words)} > {LOG} 2>&1\n")
    node.output(
        f"rm -f {REPORT}; printf %s {script} > {SCRIPT}"
        f" && systemd-run --quiet --collect --unit={UNIT} -p WorkingDirectory={FOLDER} sh {SCRIPT}"
    )
    # Ginkgo enforces the time limit; its clean-up calls come after that.
    end = time_limit(seconds + 4 * call_seconds)
    end.wait_for(f"critest with {handler} ends on {node}", partial(_has_ended, node), every=5.0)
    said = node.output(f"tail -n 100 {LOG}")
    allure.attach(said, f"critest with {handler}", allure.attachment_type.TEXT)
    return parse_report(node.output(f"cat {REPORT}", seconds=120))


def _options(node: LabNode, call_seconds: int = CALL_SECONDS) -> tuple[str, ...]:
    return (
        f"-runtime-endpoint={cri_of(node.spec).endpoint}",
        f"-runtime-service-timeout={call_seconds}s",
    )


def _has_ended(node: LabNode) -> bool:
    return not node.succeeds(f"systemctl is-active --quiet {UNIT}.service")


def _remove_killed(node: LabNode) -> None:
    """Removes the pods of plain runsc, once containerd has seen the end of their sandboxes."""
    node.output(KILL_PLAIN)

    def removed() -> bool:
        remove_left(node)
        return True

    Deadline.scaled(REMOVED_SECONDS).wait_for(
        f"containerd on {node} removes the pods of plain runsc",
        removed,
        every=3.0,
        transient=(LabError,),
    )


@contextlib.contextmanager
def plain_runsc(node: LabNode) -> Iterator[str]:
    """runsc itself behind the shim for runc, in the node's network, as a runtime beside the others
    while the block runs; the handler's name. The node's agents are stopped (`without_agents`)."""
    kept = f"{FOLDER}/config.toml"
    again = "systemctl restart containerd.service"
    try:
        node.output(
            f"printf %s {shlex.quote(_PLAIN)} > {PLAIN_PROGRAM} && chmod 755 {PLAIN_PROGRAM}"
            f" && cp {CONFIG} {kept} && printf %s {shlex.quote(_PLAIN_RUNTIME)} >> {CONFIG}"
            f" && {again}",
            seconds=180,
        )
        yield PLAIN_HANDLER
    finally:
        with contextlib.ExitStack() as undo:
            undo.callback(
                node.output, f"[ ! -e {kept} ] || cp {kept} {CONFIG}; {again}", seconds=180
            )
            undo.callback(_remove_killed, node)  # by the runtime that created them
