"""Merges the results of shards into one folder of Allure results, and measures their files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_lab.core.errors import InputError
from edge_lab.core.home import MARKER
from edge_lab.matrix.durations import Measured
from edge_lab.matrix.plan import Shard
from edge_lab.matrix.record import ALLURE, Record
from edge_lab.matrix.verdict import Results

RESULT, CONTAINER = "*-result.json", "*-container.json"
LINES = ".jsonl"
"""Files with a record in each line, such as cells.jsonl: those of all shards are joined."""
ENVIRONMENT = "environment.properties"
ONCE = ("categories.json", "executor.json")
"""Files that are the same for all shards, or of which one is enough."""
LAB_FIXTURES = ("lab",)
"""Titles of the fixtures that start the lab: they are part of no test file's duration."""


def merge(results: Results, output: Path) -> Path:
    """The folder with Allure results of all shards; an earlier one is replaced.

    Of each shard, the attempt that counts is taken. Tests that ran in several labs stay apart: to
    Allure, two results of one test are a test and its retry, so topology and stack become
    parameters of each.

    Raises:
        InputError: `output` has something else, or a result is damaged.
    """
    _make(output)
    target = output / ALLURE
    target.mkdir()
    facts: dict[str, dict[str, None]] = {}
    labs = {record.shard.title for record, _ in judged(results)}
    for record, folder in judged(results):
        for file in sorted(each for each in folder.iterdir() if each.is_file()):
            _add(file, target, record.shard, apart=len(labs) > 1)
        for line in _lines(folder / ENVIRONMENT):
            key, _, value = line.partition(" = ")
            facts.setdefault(key, {})[value] = None
    if facts:
        lines = (f"{key} = {' | '.join(values)}\n" for key, values in facts.items())
        (target / ENVIRONMENT).write_text("".join(lines), encoding="utf-8")
    return target


def judged(results: Results) -> Iterator[tuple[Record, Path]]:
    """The record and the Allure results of each shard that has any."""
    for shard in results.shards:
        attempt = shard.judged
        if attempt and attempt.record and (folder := attempt.folder / ALLURE).is_dir():
            yield attempt.record, folder


def _make(output: Path) -> None:
    try:
        if output.is_dir() and any(output.iterdir()):
            if not (output / MARKER).is_file():
                raise InputError(
                    f"{output} exists, and was not written by `lab matrix merge`",
                    remedy="Give --output another folder.",
                )
            shutil.rmtree(output)
        output.mkdir(parents=True, exist_ok=True)
        (output / MARKER).touch()
    except OSError as trouble:
        raise InputError(
            f"--output: cannot write to {output}: {trouble.strerror}",
            remedy="Give --output another folder.",
        ) from trouble


def _add(file: Path, target: Path, shard: Shard, *, apart: bool) -> None:
    place = target / file.name
    if file.match(RESULT):
        result = _of_lab(_json(file), shard)
        if apart:  # a branch of its own in the page's tree
            result["titlePath"] = [shard.title, *(result.get("titlePath") or ())]
        place.write_text(json.dumps(result), encoding="utf-8")
    elif file.suffix == LINES:
        with place.open("ab") as joined:
            joined.write(file.read_bytes())
    elif file.name == ENVIRONMENT or (file.name in ONCE and place.exists()):
        return
    elif place.exists():  # no name that Allure has made
        shutil.copyfile(file, target / f"{file.stem}-shard-{shard.index:03d}{file.suffix}")
    else:
        shutil.copyfile(file, place)


def _of_lab(result: dict[str, Any], shard: Shard) -> dict[str, Any]:
    """The result as that of a test in this lab."""
    lab = {"topology": shard.lab, "stack": shard.stack}
    names = result.get("parameters") or []
    own = {each.get("name") for each in names}
    before = str(result.get("historyId") or result.get("fullName") or result.get("name"))
    text = " ".join([before, *lab.values()])
    return {
        **result,
        "historyId": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "parameters": [
            *names,
            *({"name": name, "value": value} for name, value in lab.items() if name not in own),
        ],
    }


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as trouble:
        raise InputError(f"cannot read it: {trouble.strerror}", file=file) from trouble
    except (ValueError, RecursionError) as trouble:
        raise InputError(
            f"not an Allure result: {trouble}", file=file, remedy="Remove the file."
        ) from trouble
    if not isinstance(read, dict):
        raise InputError("not an Allure result", file=file, remedy="Remove the file.")
    return read


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


# -- Durations -------------------------------------------------------------------------------


def measured(results: Results) -> list[Measured]:
    """How long each file of the shards took: its tests with their fixtures, without the lab's
    start. Files of a shard whose lab broke are left out."""
    found = []
    for record, folder in judged(results):
        if not record.is_final:
            continue
        for path, seconds in _seconds(folder, record.shard).items():
            found.append(
                Measured(
                    suite=path, stack=record.shard.stack, lab=record.shard.lab, seconds=seconds
                )
            )
    return found


def _seconds(folder: Path, shard: Shard) -> dict[str, float]:
    tests = {
        str(result.get("uuid")): path
        for result in map(_json, sorted(folder.glob(RESULT)))
        if (path := _file_of(result, shard))
    }
    spent = dict.fromkeys(tests.values(), 0.0)
    for result in map(_json, sorted(folder.glob(RESULT))):
        if path := tests.get(str(result.get("uuid"))):
            spent[path] += _took(result)
    for container in map(_json, sorted(folder.glob(CONTAINER))):
        paths = {tests[child] for child in container.get("children") or () if child in tests}
        if len(paths) != 1:
            continue  # a fixture that several files share belongs to none
        for fixture in (*(container.get("befores") or ()), *(container.get("afters") or ())):
            if str(fixture.get("name")).partition("::")[0] not in LAB_FIXTURES:
                spent[next(iter(paths))] += _took(fixture)
    return {path: round(seconds, 1) for path, seconds in spent.items()}


def _file_of(result: dict[str, Any], shard: Shard) -> str | None:
    """Allure's full name is `suites.smoke.test_nodes.TestClass#test_name`."""
    module = str(result.get("fullName")).partition("#")[0]
    for each in shard.files:
        name = ".".join(Path(each.path).with_suffix("").parts)
        if module == name or module.startswith(f"{name}."):
            return each.path
    return None


def _took(part: dict[str, Any]) -> float:
    start, stop = part.get("start"), part.get("stop")
    if not isinstance(start, int | float) or not isinstance(stop, int | float):
        return 0.0
    return max(0.0, (stop - start) / 1000)
