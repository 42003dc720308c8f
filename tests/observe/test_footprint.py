"""What is made of a guest's answer about its memory."""

from __future__ import annotations

import pytest

from edge_lab.core.errors import LabError
from edge_lab.observe.footprint import parse_footprint

ANSWER = """\
MemTotal:        2018816 kB
MemAvailable:    1400832 kB
unit kubelet.service VmRSS:	   81920 kB
unit edgecore.service VmRSS:	   97280 kB
kills oom_kill 0
"""


def test_each_unit_has_its_resident_memory() -> None:
    found = parse_footprint(ANSWER)
    assert found.units == {"kubelet.service": 80.0, "edgecore.service": 95.0}
    assert (found.total, found.available, found.kills) == (1971.5, 1368.0, 0)
    assert found.rows()[0].split() == ["95.0", "MiB", "edgecore.service"]


def test_a_unit_that_should_run_and_does_not_is_named() -> None:
    found = parse_footprint(ANSWER + "absent yurthub.service\nunit edgecore2.service \n")
    assert found.absent == ("yurthub.service", "edgecore2.service")


def test_a_kill_for_memory_is_counted() -> None:
    assert parse_footprint(ANSWER.replace("oom_kill 0", "oom_kill 3")).kills == 3


@pytest.mark.parametrize("lost", ["MemTotal", "MemAvailable", "kills"])
def test_an_answer_with_a_hole_is_a_lab_error(lost: str) -> None:
    text = "\n".join(line for line in ANSWER.splitlines() if not line.startswith(lost))
    with pytest.raises(LabError, match="did not report"):
        parse_footprint(text)
