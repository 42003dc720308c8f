"""The differential table: from the verdicts that suites leave to a page and a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from edge_lab.cli.compare import compare
from edge_lab.core.errors import InputError
from edge_lab.oracles.figures import HEADINGS, Figures
from edge_lab.report.cells import FILE, CellRecord, read_cells, write_cell
from edge_lab.report.compare import Comparison, comparison_html, comparison_of, comparison_table


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
        figures=Figures(**figures),  # type: ignore[arg-type]
        passed=not problems,
        problems=problems,
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


# -- records -----------------------------------------------------------------------------------


def test_cells_are_read_as_they_were_written_from_files_and_folders(tmp_path: Path) -> None:
    written(tmp_path / "a", *CELLS[:2])
    written(tmp_path / "b" / "results", *CELLS[2:])
    assert read_cells(tmp_path) == CELLS
    assert read_cells(tmp_path / "b" / "results" / FILE, tmp_path / "a") == (*CELLS[2:], *CELLS[:2])


def test_a_line_that_is_no_verdict_is_named(tmp_path: Path) -> None:
    written(tmp_path, CELLS[0])
    file = tmp_path / FILE
    file.write_text(file.read_text() + '{"scenario": "x"}\n')
    with pytest.raises(InputError, match=rf"{FILE}:2: no verdict: runtime"):
        read_cells(tmp_path)


def test_a_folder_without_verdicts_is_no_empty_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no verdicts in"):
        read_cells(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_cells(tmp_path / "absent.jsonl")


# -- the comparison ----------------------------------------------------------------------------


def test_rows_are_scenarios_as_they_came_and_columns_are_runtimes() -> None:
    comparison = comparison_of(CELLS)
    assert comparison.columns == ("k3s+kubeedge", "kubernetes+kubelet")
    assert [row.scenario for row in comparison.rows] == ["uplink cut", "power lost"]
    cut, power = comparison.rows
    (kubeedge,) = cut.cells[0].nodes
    assert (kubeedge.passed, kubeedge.good) == (1, False)
    assert kubeedge.figures["detected"] == "41.0–52.0 s"
    assert kubeedge.problems == ("press: 3 lost: 4, 5, 6",)
    assert power.cells[0].nodes == ()
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


@settings(max_examples=40, deadline=None)
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


# -- as HTML -----------------------------------------------------------------------------------


def test_the_page_shows_every_figure_and_what_failed_in_red() -> None:
    html = comparison_html(comparison_of(CELLS))
    root = ET.fromstring(html.split("<body>")[1].split("</body>")[0])
    texts = [text.strip() for text in root.itertext() if text.strip()]
    for text in ("uplink cut", "k3s+kubeedge", "1 of 2 passed", "0–3 lost", "41.0–52.0 s"):
        assert text in texts
    assert texts.count("not run") == 1
    for heading in HEADINGS:
        assert texts.count(heading) == 3
    (red,) = (each for each in root.iter("div") if "bad" in each.attrib["class"])
    assert "press: 3 lost: 4, 5, 6" in "".join(red.itertext())
    assert "<script" not in html
    assert "http" not in html


def test_what_comes_from_outside_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    html = comparison_html(comparison_of([cell(hostile, hostile, hostile, (hostile,))]))
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
