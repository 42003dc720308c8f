"""Matrix files, and the answers to mistakes in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from edge_lab.core.errors import InputError
from edge_lab.matrix.load import load_matrix, load_plan, matrix_schema, plan_of
from edge_lab.matrix.model import Matrix
from tests.conftest import LABS, ROOT
from tests.invalidfiles import Mistake, assert_answered, with_mistake

NIGHTLY = ROOT / "docs" / "matrix" / "nightly.yaml"
GOOD = """\
name: small
stacks: [kubernetes+openyurt, kubernetes+kubelet]
topologies: [labs/minimal.yaml]
suites:
  - suites/smoke
  - {path: suites/test_long.py, takes: 20m}
without:
  - {stack: kubernetes+kubelet, suite: suites/smoke/test_b.py}
durations: durations.json
shard: {longest: 30m, start: 5m}
cluster:
  image: registry.example.org/edge-lab:1
  results: {claim: results}
hosts: [me@one, {ssh: two, folder: /srv/lab, parallel: 2}]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what GOOD names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "minimal.yaml").write_bytes((LABS / "minimal.yaml").read_bytes())
    (tmp_path / "suites" / "smoke").mkdir(parents=True)
    (tmp_path / "suites" / "empty").mkdir()
    for name in ("smoke/test_a.py", "smoke/test_b.py", "smoke/helper.py", "test_long.py"):
        (tmp_path / "suites" / name).touch()
    return tmp_path


def written(site: Path, text: str) -> Path:
    file = site / "matrix.yaml"
    file.write_text(text)
    return file


def test_a_matrix_is_stacks_times_topologies_times_suites_without_what_is_left_out(
    site: Path,
) -> None:
    plan = load_plan(written(site, GOOD))
    found = {(each.stack, file.path) for each in plan.shards for file in each.files}
    assert found == {
        ("kubernetes+openyurt", "suites/smoke/test_a.py"),
        ("kubernetes+openyurt", "suites/smoke/test_b.py"),
        ("kubernetes+openyurt", "suites/test_long.py"),
        ("kubernetes+kubelet", "suites/smoke/test_a.py"),
        ("kubernetes+kubelet", "suites/test_long.py"),
    }


def test_a_host_is_a_destination_of_ssh_or_says_more(site: Path) -> None:
    first, second = load_matrix(written(site, GOOD)).hosts
    assert (first.ssh, first.folder, first.command) == ("me@one", "edge-lab", ".venv/bin/lab")
    assert (first.parallel, second.parallel, second.folder) == (1, 2, "/srv/lab")


def test_a_file_that_is_listed_twice_runs_once_as_it_is_first_listed(site: Path) -> None:
    text = GOOD.replace("  - suites/smoke\n", "  - suites/smoke/test_b.py\n  - suites\n")
    plan = load_plan(written(site, text))
    (first,) = [each for each in plan.shards if each.stack == "kubernetes+openyurt"]
    paths = [each.path for each in first.files]
    assert sorted(paths) == sorted(set(paths))
    assert paths[0] == "suites/smoke/test_b.py"


def test_a_plan_is_read_as_it_was_written(site: Path) -> None:
    plan = plan_of(load_matrix(written(site, GOOD)))
    (site / "plan.json").write_text(plan.model_dump_json())
    assert load_plan(site / "plan.json") == plan


@pytest.mark.parametrize("text", ["{}", "half", '{"format": 2}'])
def test_something_else_is_no_plan(site: Path, text: str) -> None:
    (site / "plan.json").write_text(text)
    with pytest.raises(InputError) as refused:
        load_plan(site / "plan.json")
    assert refused.value.file == str(site / "plan.json")


def test_durations_are_read_where_there_are_some(site: Path) -> None:
    measured = {
        "suite": "suites/test_long.py",
        "stack": "kubernetes+openyurt",
        "lab": "minimal",
        "seconds": 5,
    }
    (site / "durations.json").write_text(json.dumps({"format": 1, "measured": [measured]}))
    plan = load_plan(written(site, GOOD))
    takes = {each.stack: {file.path: file.seconds for file in each.files} for each in plan.shards}
    assert takes["kubernetes+openyurt"]["suites/test_long.py"] == 5


@pytest.mark.parametrize("text", ["half", '{"format": 9}', '{"measured": [{}]}'])
def test_damaged_durations_are_an_error_and_not_ignored(site: Path, text: str) -> None:
    (site / "durations.json").write_text(text)
    with pytest.raises(InputError) as refused:
        load_plan(written(site, GOOD))
    assert refused.value.file == "durations.json"


LEFT_OUT = "{stack: kubernetes+kubelet, suite: suites/smoke/test_b.py}"
RESULTS = "  results: {claim: results}\n"

MISTAKES: dict[str, Mistake] = {
    "a misspelt key": ("suites:\n", "suite:\n", ["unknown key 'suite'", "'suites'"], "suite:"),
    "an unknown stack": (
        "[kubernetes+openyurt,",
        "[kubernetes+openyrt,",
        ["there is no stack 'kubernetes+openyrt'", "Did you mean 'kubernetes+openyurt'?"],
        "openyrt",
    ),
    "a stack listed twice": ("+kubelet]", "+openyurt]", ["twice"], "stacks:"),
    "a missing topology": ("labs/minimal", "labs/none", ["no topology 'labs/none.yaml'"], "none"),
    "a topology listed twice": (
        "[labs/minimal.yaml]",
        "[labs/minimal.yaml, labs/minimal.yaml]",
        ["both have the name 'minimal'"],
        "topologies",
    ),
    "an absolute path": ("- suites/smoke", "- /suites/smoke", ["must be relative"], "/suites"),
    "a path outside": ("- suites/smoke", "- ../smoke", ["must be relative"], "../smoke"),
    "a missing suite": ("- suites/smoke", "- suites/smoek", ["no suite 'suites/smoek'"], "smoek"),
    "a suite without tests": ("- suites/smoke", "- suites/empty", ["no test files"], "empty"),
    "no duration": ("takes: 20m", "takes: long", ["not a duration"], "long}"),
    "an exclusion of nothing": (
        "suite: suites/smoke/test_b.py",
        "suite: suites/smoke/test_c.py",
        ["leaves out nothing"],
        "test_c",
    ),
    "an exclusion of everything": (LEFT_OUT, "{suite: suites}", ["nothing is left"], "without"),
    "an exclusion that names nothing": (LEFT_OUT, "{}", ["leaves out everything"], "- {}"),
    "no time after the start": ("longest: 30m", "longest: 4m", ["no time"], "longest: 4m"),
    "a limit below the longest shard": ("start: 5m", "limit: 10m", ["less than"], "limit: 10m"),
    "two places for results": (
        "{claim: results}",
        "{claim: results, host-path: /srv}",
        ["either a claim or a host-path"],
        "host-path",
    ),
    "a relative host path": ("{claim: results}", "{host-path: srv}", ["absolute"], "host-path"),
    "no place for results": (RESULTS, "", ["'cluster.results' is missing"], "cluster"),
    "a host listed twice": ("ssh: two", "ssh: me@one", ["listed twice", "`parallel`"], "hosts:"),
    "a host that is an option of ssh": ("[me@one", "[-oProxyCommand=x", ["hosts"], "hosts:"),
    "a host with spaces": ("[me@one", "[me@one -v", ["hosts"], "hosts:"),
    "no labs at a time": ("parallel: 2", "parallel: 0", ["parallel"], "hosts:"),
    "a misspelt key of a host": ("folder:", "foldr:", ["unknown key 'hosts.1.foldr'"], "hosts:"),
}


@pytest.mark.parametrize("named", MISTAKES)
def test_a_mistake_is_answered_with_file_line_and_remedy(named: str, site: Path) -> None:
    text = with_mistake(GOOD, MISTAKES[named])
    with pytest.raises(InputError) as refused:
        load_matrix(written(site, text))
    assert_answered(refused.value, MISTAKES[named], text, str(site / "matrix.yaml"))


def test_a_mistake_in_a_topology_is_answered_with_its_own_line(site: Path) -> None:
    topology = site / "labs" / "minimal.yaml"
    topology.write_text(topology.read_text().replace("name: minimal", "nmae: minimal"))
    with pytest.raises(InputError) as refused:
        load_matrix(written(site, GOOD))
    assert refused.value.file == "labs/minimal.yaml"
    assert refused.value.line


# -- The schema, and the shipped example ---------------------------------------------------


def example() -> dict[str, Any]:
    tree = YAML(typ="safe").load(NIGHTLY.read_text(encoding="utf-8"))
    assert isinstance(tree, dict)
    return tree


def test_the_example_loads_and_fits_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    jsonschema.Draft202012Validator(matrix_schema()).validate(example())
    assert plan_of(load_matrix(NIGHTLY)).shards


def test_the_schema_refuses_an_unknown_key() -> None:
    validator = jsonschema.Draft202012Validator(matrix_schema())
    assert not validator.is_valid({**example(), "suite": []})


def test_the_schema_file_for_editors_is_the_exported_one() -> None:
    jsonschema.Draft202012Validator.check_schema(matrix_schema())
    assert set(matrix_schema()["properties"]) == set(Matrix.model_fields)
    shipped = json.loads(NIGHTLY.with_name("schema.json").read_text(encoding="utf-8"))
    assert shipped == matrix_schema(), "`make schema` writes it anew"
