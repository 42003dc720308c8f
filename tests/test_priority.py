"""Who comes first does so among all sessions, not only in its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_lab.core.priority import come_first

SHOW = (
    "import os, sys; from edge_lab.core.priority import come_first; come_first(3)\n"
    "from pathlib import Path\n"
    "group = Path('/proc/self/autogroup')\n"
    "print(os.getpriority(os.PRIO_PROCESS, 0), group.read_text() if group.exists() else '')\n"
)


def shown(*, own_session: bool) -> tuple[int, str]:
    said = subprocess.run(
        [sys.executable, "-c", SHOW],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        start_new_session=own_session,
    ).stdout.split(maxsplit=1)
    return int(said[0]), said[1].strip() if len(said) > 1 else ""


def test_the_leader_of_a_session_gives_it_its_niceness() -> None:
    niceness, group = shown(own_session=True)
    assert niceness == 3
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("this kernel has no autogroups")
    assert group.endswith("nice 3")


def test_a_process_in_the_session_of_another_leaves_that_alone() -> None:
    niceness, group = shown(own_session=False)
    assert niceness == 3
    assert not group.endswith("nice 3")


def test_a_process_that_is_gone_is_no_error() -> None:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    come_first(4, child.pid)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 4
    child.kill()
    child.wait()
    with pytest.raises(ProcessLookupError):
        come_first(4, child.pid)
