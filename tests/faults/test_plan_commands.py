"""Commands about plans and faults that need no lab, and the page about them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from edge_lab.cli.app import app
from edge_lab.cli.faultkinds import kind_rows
from edge_lab.core.durations import show_duration
from edge_lab.faults.catalog import built_in
from edge_lab.faults.kinds import FAULT
from edge_lab.faults.plan import load_plan, parse_plan, plan_schema
from tests.faults.plans import PLANS, ROOT, TOPOLOGY, shipped


def test_a_dry_run_prints_the_schedule_and_the_seed_without_a_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["chaos", "plans/random.yaml", "--dry-run", "--seed", "5"])
    assert done.exit_code == 0, done.output
    assert "lab chaos plans/random.yaml --seed 5" in done.output
    plan = load_plan(PLANS / "random.yaml", TOPOLOGY, seed=5)
    for each in plan.schedule():
        assert show_duration(each.at_s) in done.output


def test_a_dry_run_for_machines_holds_each_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["chaos", "plans/random.yaml", "--dry-run", "--json"])
    told = json.loads(done.output)
    assert told["seed"] == 20
    plan = load_plan(PLANS / "random.yaml", TOPOLOGY)
    assert [FAULT.validate_python(each["fault"]) for each in told["faults"]] == [
        each.fault for each in plan.schedule()
    ]


def test_the_schema_command_writes_the_schema_of_plans() -> None:
    done = CliRunner().invoke(app, ["schema", "plan"])
    assert json.loads(done.output) == plan_schema()
    assert "nodes" in json.loads(CliRunner().invoke(app, ["schema"]).output)["properties"]


def test_the_table_of_kinds_has_every_fault_with_all_its_fields() -> None:
    rows = kind_rows()
    kinds = built_in().kinds
    assert {row.kind for row in rows} == set(kinds)
    by_name = {row.kind: row.fields for row in rows}
    assert by_name["cut"] == "link, [direction=both]"
    for name, model in kinds.items():
        fields = by_name[name]
        assert all(field in fields for field in model.model_fields if field != "fault")
    assert all(row.meaning for row in rows)
    assert {row.kind: row.family for row in rows}["kill"] == "node"
    assert CliRunner().invoke(app, ["fault", "kinds"]).exit_code == 0


PAGE = ROOT / "docs" / "break-a-lab.md"


def test_the_plan_on_the_page_is_a_good_one() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert len(parse_plan(text, TOPOLOGY).schedule()) == 8


def test_the_page_names_every_plan_and_every_fault() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`plans/{file.name}`" in page for file in shipped())
    for row in kind_rows():
        assert f"`{row.kind}`" in page
        if "kind: " in row.fields:
            assert f"`{row.fields.split('kind: ')[1].split(',')[0].rstrip('}')}`" in page
