"""Reads a matrix file, and makes its plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_lab.addons import load_topology
from edge_lab.core.yamlmodel import Problem, YamlModel, did_you_mean, file_schema
from edge_lab.matrix.cut import LabRun, cut
from edge_lab.matrix.durations import Durations, read_durations
from edge_lab.matrix.model import Matrix, Suite, Without
from edge_lab.matrix.plan import Plan, PlannedFile, digest_of, read_plan
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology

_MATRIX: YamlModel[Matrix] = YamlModel(
    Matrix,
    what="matrix",
    keys="name:, stacks:, topologies:, suites:, …",
    remedy="docs/matrix/nightly.yaml is a good example to start from.",
    extensions=True,
)
TEST_FILES = ("test_*.py", "*_test.py")
"""As pytest collects them by default."""


def matrix_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a matrix file."""
    return file_schema(Matrix)


def load_matrix(path: Path) -> Matrix:
    """The matrix in `path`, whose paths are relative to the current folder, as pytest's are.

    Raises:
        InputError: it or a topology is not valid, or what it names does not exist; with file,
            line and remedy.
    """
    return _MATRIX.load(path, check=_check)


def plan_of(matrix: Matrix) -> Plan:
    """The shards of a matrix that `load_matrix` has read."""
    durations = read_durations(matrix.durations) if matrix.durations else Durations()
    limits = matrix.shard
    runs = []
    for file in matrix.topologies:
        topology = load_topology(file)
        for stack in matrix.stacks:
            if files := _files(matrix, stack, file, topology, durations):
                runs.append(LabRun(topology, str(file), digest_of(file), stack, files))
    return cut(
        matrix.name,
        runs,
        longest_s=limits.longest,
        start_s=limits.start,
        limit_s=limits.limit,
    )


def _files(
    matrix: Matrix, stack: str, topology_file: Path, topology: Topology, durations: Durations
) -> tuple[PlannedFile, ...]:
    found: dict[str, PlannedFile] = {}
    for suite in matrix.suites:
        for path in files_of(suite.path):
            if _is_left_out(matrix.without, stack, topology_file, path):
                continue
            seconds, source = durations.of(
                str(path),
                stack,
                topology.name,
                known=suite.takes,
                assumed=matrix.shard.unmeasured,
            )
            found.setdefault(str(path), PlannedFile(path=str(path), seconds=seconds, source=source))
    return tuple(found.values())


def files_of(path: Path) -> list[Path]:
    """The file, or all test files in the folder and below it, sorted."""
    if path.is_file():
        return [path]
    return sorted({file for pattern in TEST_FILES for file in path.rglob(pattern)})


def _is_left_out(without: Sequence[Without], stack: str, topology: Path, suite: Path) -> bool:
    return any(_matches(each, stack, topology, suite) for each in without)


def _matches(each: Without, stack: str, topology: Path, suite: Path) -> bool:
    return (
        each.stack in (None, stack)
        and each.topology in (None, topology)
        and (each.suite is None or suite.is_relative_to(each.suite))
    )


# -- What the model alone does not know ------------------------------------------------------


def _check(matrix: Matrix) -> None:
    _check_stacks(matrix)
    _check_topologies(matrix)
    for index, suite in enumerate(matrix.suites):
        _check_suite(suite, index)
    _check_without(matrix)
    _check_hosts(matrix)


def _check_stacks(matrix: Matrix) -> None:
    for index, stack in enumerate(matrix.stacks):
        if stack not in stack_names():
            raise Problem(
                f"there is no stack {stack!r}",
                ("stacks", index),
                f"{did_you_mean(stack, stack_names())}Available: {', '.join(stack_names())}.",
            )
        if stack in matrix.stacks[:index]:
            raise Problem(f"the stack {stack!r} is listed twice", ("stacks", index))


def _check_topologies(matrix: Matrix) -> None:
    names: dict[str, Path] = {}
    for index, file in enumerate(matrix.topologies):
        loc = ("topologies", index)
        if not file.is_file():
            raise Problem(f"there is no topology {str(file)!r}", loc, _relative_to_here())
        name = load_topology(file).name
        if name in names:
            raise Problem(
                f"{names[name]} and {file} both have the name {name!r}, by which results are told "
                "apart",
                loc,
                "Give one of the topologies another name.",
            )
        names[name] = file


def _check_suite(suite: Suite, index: int) -> None:
    if not suite.path.exists():
        raise Problem(
            f"there is no suite {str(suite.path)!r}", ("suites", index), _relative_to_here()
        )
    if not files_of(suite.path):
        raise Problem(
            f"the folder {str(suite.path)!r} has no test files",
            ("suites", index),
            f"Test files are called {' or '.join(TEST_FILES)}.",
        )


def _check_without(matrix: Matrix) -> None:
    combinations = [
        (stack, topology, file)
        for stack in matrix.stacks
        for topology in matrix.topologies
        for suite in matrix.suites
        for file in files_of(suite.path)
    ]
    for index, each in enumerate(matrix.without):
        if not any(_matches(each, *combination) for combination in combinations):
            raise Problem(
                "it leaves out nothing: the matrix has no such combination",
                ("without", index),
                "Its values are written as in `stacks`, `topologies` and `suites`.",
            )
    if all(_is_left_out(matrix.without, *combination) for combination in combinations):
        raise Problem("nothing is left to run", ("without",))


def _check_hosts(matrix: Matrix) -> None:
    names = [host.ssh for host in matrix.hosts]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Problem(
                f"the host {name!r} is listed twice",
                ("hosts", index),
                "For more labs at a time, raise its `parallel`.",
            )


def _relative_to_here() -> str:
    return f"Paths are relative to the folder in which the command runs, here {Path.cwd()}."


def load_plan(path: Path) -> Plan:
    """The plan in a JSON file, or of a matrix file."""
    if path.suffix == ".json":
        return read_plan(path)
    return plan_of(load_matrix(path))
