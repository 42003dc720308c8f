"""The differential table: from the verdicts that suites leave to a page and a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from edge_lab.cli.compare import compare
from edge_lab.core.errors import InputError
from edge_lab.measuring.measures import Better, Measure
from edge_lab.oracles.figures import Figures
from edge_lab.report.cells import FILE, FORMAT, CellRecord, read_cells, write_cell
from edge_lab.report.compare import (
    Comparison,
    NodeRuns,
    comparison_html,
    comparison_of,
    comparison_table,
)
from tests.budget import examples


def cell(
    scenario: str = "uplink cut",
    runtime: str = "k3s+kubeedge",
    node: str = "edge-arm",
    problems: tuple[str, ...] = (),
    **figures: float,
) -> CellRecord:
    return CellRecord(
        scenario=scenario,
        runtime=runtime,
        node=node,
        measures=Figures(**figures).measures(node),  # type: ignore[arg-type]
        passed=not problems,
        problems=problems,
    )


def measured(
    value: float | None, runtime: str = "k3s+kubeedge", node: str = "edge-arm", **more: Any
) -> CellRecord:
    """Of a test that judges nothing: a measure that the framework does not know."""
    reason = "" if value is not None else "the probe was silent"
    probe = Measure(name="jitter", value=value, reason=reason, unit="µs", node=node, **more)
    return CellRecord(
        scenario="uplink cut", runtime=runtime, node=node, measures=(probe,), passed=None
    )


HEADINGS = (
    "detected ↓",
    "downtime ↓",
    "restarts ↓",
    "samples ↓",
    "ready again ↓",
    "backlog in ↓",
)
CELLS = (
    cell(detect_s=41.0, lost=0),
    cell(detect_s=52.0, lost=3, problems=("press: 3 lost: 4, 5, 6",)),
    cell(runtime="kubernetes+kubelet", detect_s=44.0, lost=0),
    cell("power lost", "kubernetes+kubelet", "edge-riscv", restarts=1, downtime_s=50.0),
)


def written(folder: Path, *cells: CellRecord) -> Path:
    for each in cells:
        write_cell(folder, each)
    return folder


def shown(comparison: Comparison) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(comparison_table(comparison))
    return capture.get()


def texts(runs: NodeRuns) -> dict[str, str]:
    return {line.heading: line.text for line in runs.lines}


# -- records -----------------------------------------------------------------------------------


def test_cells_are_read_as_they_were_written_from_files_and_folders(tmp_path: Path) -> None:
    written(tmp_path / "a", *CELLS[:2])
    written(tmp_path / "b" / "results", *CELLS[2:])
    assert read_cells(tmp_path) == CELLS
    assert read_cells(tmp_path / "b" / "results" / FILE, tmp_path / "a") == (*CELLS[2:], *CELLS[:2])


def test_a_line_that_is_no_verdict_is_named(tmp_path: Path) -> None:
    written(tmp_path, CELLS[0])
    file = tmp_path / FILE
    file.write_text(file.read_text() + json.dumps({"format": FORMAT, "scenario": "x"}) + "\n")
    with pytest.raises(InputError, match="not a verdict: runtime") as refused:
        read_cells(tmp_path)
    assert (refused.value.file, refused.value.line) == (str(file), 2)


OLD = {
    "scenario": "uplink cut",
    "runtime": "k3s+kubeedge",
    "node": "edge-arm",
    "figures": {"detect_s": 41.0},
    "passed": True,
    "problems": [],
}


@pytest.mark.parametrize("line", [OLD, {"format": 1, **OLD}, {"format": FORMAT + 1}])
def test_cells_of_another_format_are_refused_with_what_to_do(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    written(tmp_path, CELLS[0])
    file = tmp_path / FILE
    file.write_text(file.read_text() + json.dumps(line) + "\n")
    with pytest.raises(InputError, match="another version of edge-lab") as refused:
        read_cells(tmp_path)
    assert (refused.value.file, refused.value.line) == (str(file), 2)
    assert refused.value.remedy


@settings(max_examples=examples(60))
@given(
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.one_of(st.none(), st.integers(), st.text(max_size=4)),
            lambda inner: (
                st.dictionaries(
                    st.sampled_from(["format", "figures", "measures", "node", "x"]),
                    inner,
                    max_size=3,
                )
                | st.lists(inner, max_size=3)
            ),
        ).map(lambda data: json.dumps(data).encode()),
    )
)
def test_whatever_is_in_a_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("cells") / FILE
    file.write_bytes(content)
    with pytest.raises(InputError):
        read_cells(file)


def test_a_folder_without_verdicts_is_no_empty_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no verdicts in"):
        read_cells(tmp_path)
    with pytest.raises(InputError, match="cannot read"):
        read_cells(tmp_path / "absent.jsonl")


# -- the comparison ----------------------------------------------------------------------------


def test_rows_are_scenarios_as_they_came_and_columns_are_runtimes() -> None:
    comparison = comparison_of(CELLS)
    assert comparison.columns == ("k3s+kubeedge", "kubernetes+kubelet")
    assert [row.scenario for row in comparison.rows] == ["uplink cut", "power lost"]
    cut, power = comparison.rows
    (kubeedge,) = cut.cells[0].nodes
    assert (kubeedge.passed, kubeedge.good) == (1, False)
    assert texts(kubeedge)["detected"] == "41.0–52.0 s"
    assert kubeedge.problems == ("press: 3 lost: 4, 5, 6",)
    assert power.cells[0].nodes == ()
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.builds(
            cell,
            st.sampled_from("abc"),
            st.sampled_from("xyz"),
            st.sampled_from(("n1", "n2")),
            st.sampled_from([(), ("bad",)]),
            detect_s=st.floats(0, 1e6),
        )
    )
)
def test_every_run_is_in_one_cell_and_all_is_drawn(cells: list[CellRecord]) -> None:
    comparison = comparison_of(cells)
    found = [
        run
        for row in comparison.rows
        for cell in row.cells
        for runs in cell.nodes
        for run in runs.runs
    ]
    assert sorted(map(repr, found)) == sorted(map(repr, cells))
    assert all(len(row.cells) == len(comparison.columns) for row in comparison.rows)
    html = comparison_html(comparison)
    bad = {(each.scenario, each.runtime, each.node) for each in cells if not each.passed}
    assert html.count('class="run bad"') == len(bad)
    shown(comparison)


def test_a_measure_that_nobody_has_heard_of_is_shown_beside_the_verdict() -> None:
    """It belongs to the runs of its scenario, and makes neither more of them nor better ones."""
    cells = [*CELLS[:2], measured(2.5), measured(None), measured(4, better=Better.HIGHER)]
    ((only,),) = (cell.nodes for cell in comparison_of(cells).rows[0].cells)
    assert texts(only)["jitter"] == "2.5–4 µs (– in 1 of 3)"
    assert texts(only)["detected"] == "41.0–52.0 s"
    assert (only.judged, only.passed, only.good) == (2, 1, False)


def test_what_was_only_measured_is_neither_passed_nor_failed() -> None:
    comparison = comparison_of([measured(2.5, node=""), measured(3.5, "kubernetes+kubelet", "")])
    html, text = comparison_html(comparison), shown(comparison)
    assert 'class="run measured"' in html
    for word in ("passed", "failed", "is better"):
        assert word not in html
        assert word not in text
    (line,) = (line for line in text.splitlines() if "jitter" in line)
    assert line.split() == ["jitter", "2.5", "µs", "3.5", "µs"]


# -- as HTML -----------------------------------------------------------------------------------


def test_the_page_shows_every_figure_and_what_failed_in_red() -> None:
    html = comparison_html(comparison_of(CELLS))
    root = ET.fromstring(html[html.index("<body>") :].removesuffix("</html>\n"))
    found = [text.strip() for text in root.itertext() if text.strip()]
    for text in ("uplink cut", "k3s+kubeedge", "1 of 2 passed", "0–3 lost", "41.0–52.0 s"):
        assert text in found
    assert found.count("not run") == 1
    for heading in HEADINGS:
        assert found.count(heading) == 3
    assert found[-1] == "↓ lower is better"
    (red,) = (each for each in root.iter("div") if "bad" in each.attrib["class"])
    assert "press: 3 lost: 4, 5, 6" in "".join(red.itertext())
    assert "<script" not in html
    assert "http" not in html


def test_what_comes_from_outside_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    mine = measured(1, heading=hostile, label=hostile, evidence=hostile)
    html = comparison_html(comparison_of([cell(hostile, hostile, hostile, (hostile,)), mine]))
    assert "<img" not in html
    assert "[bold]x[/]" in shown(comparison_of([cell("[bold]x[/]", "[red]", "[/]")]))


# -- on a terminal -----------------------------------------------------------------------------


def test_the_table_has_a_line_a_figure_and_a_column_a_runtime() -> None:
    text = shown(comparison_of(CELLS))
    assert "● 1 of 2 passed" in text
    assert "● passed" in text
    (line,) = (line for line in text.splitlines() if "detected" in line and "44.0" in line)
    assert "41.0–52.0 s" in line
    assert "edge-riscv" in text


def test_a_line_that_only_one_column_has_stands_in_that_column() -> None:
    text = shown(comparison_of([*CELLS[:3], measured(2.5, "kubernetes+kubelet")]))
    header, jitter = (
        next(line for line in text.splitlines() if word in line) for word in ("scenario", "jitter")
    )
    assert jitter.index("2.5 µs") == header.index("kubernetes+kubelet")
    assert "↓ lower is better" in text


def run(*arguments: str) -> tuple[int, str, BaseException | None]:
    app = typer.Typer()
    app.command()(compare)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output, result.exception


def test_the_command_prints_a_table_json_and_writes_a_page(tmp_path: Path) -> None:
    folder = written(tmp_path / "results", *CELLS)
    code, text, _ = run(str(folder), "--html", str(tmp_path / "page.html"))
    assert code == 0
    assert "uplink cut" in text
    assert "1 of 2 passed" in (tmp_path / "page.html").read_text()
    code, text, _ = run(str(folder), "--json")
    assert code == 0
    assert json.loads(text)["columns"] == ["k3s+kubeedge", "kubernetes+kubelet"]


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    code, _, trouble = run(str(tmp_path))
    assert code
    assert isinstance(trouble, InputError)
