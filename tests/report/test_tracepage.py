"""Picture and page of a start: a bar for each step, lanes apart, what failed, nothing fetched."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given, settings

from edge_lab.core.steprecord import Outcome, RecordedStep
from edge_lab.evidence.steptimes import step_times
from edge_lab.evidence.trace import StartTrace, traced
from edge_lab.report.tracepage import MOST_STEPS, slowest, trace_html
from edge_lab.report.tracewaterfall import FAILED_FILL, ROW, TOP, WIDTH, waterfall_svg
from tests.budget import examples
from tests.evidence.recordedsteps import any_steps, recorded
from tests.evidence.test_trace import PROCESSES, trace_of

SVG = "{http://www.w3.org/2000/svg}"


def bars(trace: StartTrace) -> dict[str, ET.Element]:
    """By title, the bars of the picture."""
    found = {}
    for rect in ET.fromstring(waterfall_svg(trace)).iter(f"{SVG}rect"):
        hint = rect.find(f"{SVG}title")
        if hint is not None and hint.text:
            found[hint.text.partition(":")[0]] = rect
    return found


def start() -> list[RecordedStep]:
    return [
        recorded(1, None, 0, 10_000),
        recorded(2, 1, 1_000, 9_000, thread=8),
        recorded(3, 1, 2_000, 4_000),
        recorded(4, 1, 5_000, 9_500, outcome=Outcome.FAILED),
    ]


def test_each_step_is_a_bar_below_the_one_around_it_and_lanes_are_apart() -> None:
    found = bars(trace_of(traced(start())))
    rows = {title: (float(bar.get("y", 0)) - TOP) / ROW for title, bar in found.items()}
    assert rows == {"step 1": 0, "step 3": 1, "step 4": 1, "step 2": 2}
    whole, part = found["step 1"], found["step 2"]
    assert float(part.get("width", 0)) / float(whole.get("width", 0)) == 0.8


def test_only_a_step_that_failed_is_marked() -> None:
    found = bars(trace_of(traced(start())))
    assert [title for title, bar in found.items() if bar.get("fill") == FAILED_FILL] == ["step 4"]
    page = trace_html(trace_of(traced(start())))
    assert page.count('class="bad"') == 1
    assert 'class="bad"' not in trace_html(trace_of(traced(start()[:3])))


@given(any_steps())
@settings(max_examples=examples(50))
def test_whatever_the_steps_the_picture_has_all_of_them(steps: tuple[RecordedStep, ...]) -> None:
    trace = trace_of(traced(steps))
    found = bars(trace)
    assert len(found) == len(steps)
    spans: dict[float, list[tuple[float, float]]] = {}
    for bar in found.values():
        x, y, wide = (float(bar.get(name, 0)) for name in ("x", "y", "width"))
        assert 0 <= x <= x + wide <= WIDTH
        if wide > 1.0:  # the least width is drawn of what is shorter
            spans.setdefault(y, []).append((x, x + wide))
    for row in spans.values():
        row.sort()
        assert all(end <= begin + 1.2 for (_, end), (begin, _) in pairwise(row))


def test_the_longest_on_the_critical_path_come_first_and_what_failed_before_them() -> None:
    order = [found.step.id for found in slowest(step_times(traced(start())))]
    assert order == [4, 2, 1, 3]


def test_a_step_with_signs_of_markup_and_many_of_them_are_a_page() -> None:
    many = [recorded(1, None, 0, 1_000)]
    many += [recorded(number, 1, number, number + 1) for number in range(2, MOST_STEPS + 12)]
    trace = trace_of(traced([*many[:-1], RecordedStep(900, 1, "<b>", 7, 0, 1, Outcome.ENDED)]))
    page = trace_html(trace)
    assert "and 11 shorter steps" in page
    assert "<b>" not in page.partition("<h2>Processes")[0]
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert f"{PROCESSES[0].pss_mib:.0f} MiB" in page
