"""What is left of a node whose test has failed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from tests.matrix.node import Node, first_process, hierarchies, own_cgroup, remove_cgroup
from tests.namespaces import new_namespace

pytestmark = pytest.mark.native(reason="makes mounts and control groups, as root")

PANIC = Path("/proc/sys/kernel/panic")
CHANGE = """
set -eu
echo 77 >/proc/sys/kernel/panic
mkdir /var/lib/found "$1/pod"
echo $$ >"$1/pod/cgroup.procs"
echo changed
exec sleep 600
"""


class FailedTestError(Exception):
    pass


def test_nothing_is_left_of_a_node_whose_test_has_failed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounts and control groups need root")
    panic, mounts = PANIC.read_text(), Path("/proc/self/mountinfo").read_text()
    name = f"edge-lab-end-{os.getpid()}"
    group = hierarchies()[0] / name
    pids: list[str] = []
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(new_namespace())
        cgroup = stack.enter_context(own_cgroup(name))
        first = stack.enter_context(first_process(namespace, tmp_path))
        node = Node(tmp_path, namespace, first, cgroup)
        command = node.inside("sh", "-c", CHANGE, "change", str(group))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "changed\n"
        pids += [*(group / "pod" / "cgroup.procs").read_text().split(), str(first)]
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        with pytest.raises(FailedTestError), stack:
            raise FailedTestError
    process.communicate(timeout=60)
    assert len(pids) == 2
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert [root for root in hierarchies() if (root / name).exists()] == []
    assert PANIC.read_text() == panic
    assert not Path("/var/lib/found").exists()
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_a_group_that_still_has_a_process_is_told() -> None:
    if os.geteuid() != 0:
        pytest.skip("control groups need root")
    name = f"edge-lab-kept-{os.getpid()}"
    group = hierarchies()[0] / name
    process = subprocess.Popen(["sleep", "600"])
    try:
        with pytest.raises(DeadlineExceeded), own_cgroup(name, Deadline.after(0.5)):
            (group / "cgroup.procs").write_text(str(process.pid))
        assert group.exists()
    finally:
        process.kill()
        process.wait()
        remove_cgroup(name, Deadline.scaled(60))
    assert not group.exists()
