"""The table of planted defects: who was seen red, and who was not."""

from __future__ import annotations

import re

from edge_lab.oracles.identity import Judged, judge_probe
from edge_lab.probes.expected import let_in, status
from edge_lab.probes.record import Ended, HttpAnswer, Step
from edge_lab.report.probecontrols import Control, controls_html, not_controlled
from tests.report.test_probematrix import record

DEFECT = "a door that is <open>"


def refused(probe: str) -> Judged:
    return judge_probe(record(probe, http=HttpAnswer(status=401)), status(401))


def taken(probe: str) -> Judged:
    return judge_probe(record(probe, http=HttpAnswer(status=200)), status(401))


def rows(html: str) -> list[tuple[str, ...]]:
    return re.findall(r'<tr class="(\w+)"><td>([^<]+)</td><td>([^<]+)</td><td>([^<]+)</td>', html)


def test_a_probe_that_a_defect_turned_red_says_so() -> None:
    html = controls_html([refused("none")], [Control(DEFECT, taken("none"))])
    escaped = "a door that is &lt;open&gt;"
    assert rows(html) == [("seen", "no certificate", escaped, "yes: let in")]


def test_a_probe_that_stayed_green_is_told_even_if_it_was_red_elsewhere() -> None:
    seen = [Control(DEFECT, taken("none")), Control(DEFECT, refused("none"))]
    assert [row[0] for row in rows(controls_html([], seen))] == ["unseen"]
    assert [row[0] for row in rows(controls_html([], seen[::-1]))] == ["unseen"]


def test_a_probe_without_a_control_is_told() -> None:
    allowed = judge_probe(record("right", http=HttpAnswer(status=200)), let_in(200))
    judged = [refused("none"), refused("expired"), allowed]
    controls = [Control(DEFECT, taken("none"))]
    assert not_controlled(judged, controls) == ("expired",)
    assert rows(controls_html(judged, controls))[-1] == (
        "unseen",
        "an expired certificate",
        "none in this run",
        "no",
    )


def test_a_control_without_evidence_is_not_red() -> None:
    gone = record("none", step=Step.CONNECT, ended=Ended.NOT_CONNECTED)
    control = Control(DEFECT, judge_probe(gone, status(401)))
    assert [row[0] for row in rows(controls_html([], [control]))] == ["unseen"]
    assert not_controlled([refused("none")], [control]) == ("none",)
