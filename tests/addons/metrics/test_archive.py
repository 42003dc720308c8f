"""Blocks in the object storage, and the judges of suites/metrics/archivejudging.py: what passes,
and each planted defect, which turns a verdict red."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons.metrics.archive import Block, parse_blocks
from edge_lab.addons.metrics.guest import blocks
from edge_lab.core.errors import LabError
from suites.metrics.archivejudging import judge_upload, judge_warnings
from tests.addons.metrics.test_suite import line

NAME, OTHER = "01" + 24 * "A", "01" + 24 * "B"
NODE, SIDECAR = "edge-arm", "10.77.0.11:10901"
SIZES = {"chunks/000001": 700, "index": 300}


def meta(node: str = NODE, sender: str = "thanos") -> dict[str, Any]:
    files = [{"rel_path": path, "size_bytes": size} for path, size in SIZES.items()]
    return {
        "minTime": 1_700_000_000_000,
        "stats": {"numSamples": 100},
        "thanos": {
            "labels": {"node": node, "sender": sender},
            "files": [*files, {"rel_path": "meta.json"}],
            "upload_time": "2023-11-14T22:16:40.123456789Z",
        },
    }


def write(bucket: Path, name: str, *, complete: bool = True) -> None:
    for path, size in SIZES.items():
        (bucket / name / path).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name / path).write_bytes(bytes(size))
    if complete:
        (bucket / name / "meta.json").write_text(json.dumps(meta()))


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Block]:
    assert blocks.main(*words) == 0
    return parse_blocks(capsys.readouterr().out)


def test_blocks_are_listed_with_what_they_should_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, NAME)
    write(tmp_path, OTHER, complete=False)
    (tmp_path / "debug/metas").mkdir(parents=True)
    (tmp_path / ".sgwtmp").mkdir()
    found = listed(capsys, str(tmp_path))
    assert set(found) == {NAME, OTHER}
    assert found[NAME].problem == ""
    assert (found[NAME].node, found[NAME].samples, found[NAME].expected) == (NODE, 100, SIZES)
    assert found[NAME].start == 1_700_000_000
    assert found[NAME].uploaded == pytest.approx(1_700_000_200.123456)
    assert (found[OTHER].node, found[OTHER].problem) == ("", "it has no meta.json")


def test_a_half_uploaded_block_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, NAME)
    assert listed(capsys, str(tmp_path), "0.01") == {}
    looked = threading.Event()

    def sleep(seconds: float) -> None:
        # In the first pause, an upload begins.
        if not looked.is_set():
            looked.set()
            write(tmp_path, OTHER, complete=False)

    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr(blocks, "time", clock)
    assert set(listed(capsys, str(tmp_path), "60")) == {OTHER}
    assert looked.is_set()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"x": {}}', json.dumps({NAME: {"files": {}, "meta": {}}})]
)
def test_anything_else_is_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_blocks(text)


def test_a_block_of_somebody_else_is_an_error_of_the_lab() -> None:
    with pytest.raises(LabError, match="labels"):
        parse_blocks(json.dumps({NAME: {"files": {}, "meta": meta(sender="vmagent")}}))


# -- uploads --------------------------------------------------------------------------------------


def block(name: str = NAME) -> Block:
    files = {**SIZES, "meta.json": 200}
    return Block(name, files, node=NODE, samples=100, start=1.0, uploaded=2.0, expected=SIZES)


HALF = {NAME: Block(NAME, {"chunks/000001": 700})}


def test_a_block_that_became_whole_passes() -> None:
    verdict = judge_upload(HALF, {NAME: block(), OTHER: block(OTHER)}, NODE, "runtime")
    assert verdict.passed, str(verdict)
    (measure,) = verdict.measures
    assert (measure.name, measure.value) == ("uplink_bytes_per_sample_thanos", 12.0)


def test_blocks_of_other_nodes_are_not_judged() -> None:
    theirs = replace(block(OTHER), node="edge-riscv", files={})
    assert judge_upload(HALF, {NAME: block(), OTHER: theirs}, NODE, "runtime").passed


PLANTED: dict[str, Callable[[], tuple[dict[str, Block], dict[str, Block]]]] = {
    "not interrupted": lambda: ({}, {NAME: block()}),
    "of another node": lambda: (HALF, {NAME: replace(block(), node="edge-riscv")}),
    "gone": lambda: (HALF, {OTHER: block(OTHER)}),
    "still half": lambda: (HALF, dict(HALF)),
    "file missing": lambda: (
        HALF,
        {NAME: replace(block(), files={"chunks/000001": 700, "meta.json": 200})},
    ),
    "file truncated": lambda: (HALF, {NAME: replace(block(), files={**SIZES, "index": 299})}),
    "another block half": lambda: (HALF, {NAME: block(), OTHER: Block(OTHER, {"index": 300})}),
}


@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_upload_turns_it_red(defect: str) -> None:
    half, found = PLANTED[defect]()
    verdict = judge_upload(half, found, NODE, "runtime")
    assert len(verdict.problems) == 1, str(verdict)


# -- partial responses ----------------------------------------------------------------------------

SAID = f'fetch series for {{node="edge-arm"}} Addr: {SIDECAR}: context deadline exceeded'


def test_a_warning_that_names_the_sidecar_passes() -> None:
    assert judge_warnings(replace(line(30), warnings=(SAID,)), SIDECAR, ()).passed


@pytest.mark.parametrize(
    ("warnings", "healed"),
    [
        ((), ()),  # as with an endpoint that is not strict
        ((SAID.replace(SIDECAR, "10.77.0.12:10901"),), ()),
        ((SAID,), (SAID,)),  # warns all the time
    ],
    ids=["none", "another node", "always"],
)
def test_each_planted_warning_turns_it_red(
    warnings: tuple[str, ...], healed: tuple[str, ...]
) -> None:
    verdict = judge_warnings(replace(line(30), warnings=warnings), SIDECAR, healed)
    assert len(verdict.problems) == 1
