"""The JSON schema of plans, for editors."""

from __future__ import annotations

import json

import jsonschema
import pytest
from ruamel.yaml import YAML

from edge_lab.faults.plan import plan_schema
from edge_lab.faults.planfile import PlanFile
from tests.faults.plans import GOOD, PLANS, schema_of_plans


def test_the_exported_schema_is_valid_and_knows_the_keys() -> None:
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(PlanFile.model_fields)
    assert schema["additionalProperties"] is False


def test_the_schema_file_for_editors_is_the_exported_one() -> None:
    shipped = json.loads((PLANS / "schema.json").read_text(encoding="utf-8"))
    assert shipped == plan_schema(), "`lab schema plan > plans/schema.json` writes it anew"


@pytest.mark.parametrize("old", ["fault: cut", "delay_ms", "at: 20s", "count: 5", "lasts"])
def test_the_schema_refuses_an_unknown_key_too(old: str) -> None:
    tree = YAML(typ="safe").load(GOOD.replace(old, f"x{old}", 1))
    with pytest.raises(jsonschema.ValidationError):
        schema_of_plans().validate(tree)


def test_the_schema_takes_the_good_plan() -> None:
    schema_of_plans().validate(YAML(typ="safe").load(GOOD))
