"""Plans and results that tests make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge_lab.matrix.durations import Source
from edge_lab.matrix.plan import Plan, PlannedFile, Shard
from edge_lab.matrix.record import (
    ALLURE,
    Record,
    new_attempt,
    number_of,
    shard_folder,
    write_record,
)


def planned(path: str, seconds: float = 60.0) -> PlannedFile:
    return PlannedFile(path=path, seconds=seconds, source=Source.ASSUMED)


def shard(index: int = 0, *paths: str, **other: Any) -> Shard:
    fields: dict[str, Any] = {
        "index": index,
        "lab": "minimal",
        "topology": "labs/minimal.yaml",
        "topology_digest": "d",
        "stack": "kubernetes+kubelet",
        "files": tuple(map(planned, paths or (f"suites/test_{index}.py",))),
        "start_s": 300.0,
        "memory_mib": 4864,
        "cpus": 4,
        **other,
    }
    return Shard(**fields)


def plan(*shards: Shard) -> Plan:
    return Plan(name="small", limit_s=3600.0, shards=shards or (shard(0), shard(1), shard(2)))


def record(of: Plan, index: int, code: int, results: Path) -> Path:
    """An attempt that has ended with this code; its folder."""
    attempt = new_attempt(shard_folder(results, index))
    write_record(
        attempt,
        Record(
            plan=of.digest,
            shards=len(of.shards),
            shard=of.shards[index],
            attempt=number_of(attempt),
            code=code,
            started=1e9,
            seconds=100.0,
        ),
    )
    return attempt


def result(attempt: Path, uuid: str, module: str, start: int, stop: int, **more: Any) -> None:
    """An Allure result of a test in that module."""
    folder = attempt / ALLURE
    folder.mkdir(exist_ok=True)
    data = {
        "uuid": uuid,
        "name": "test_it",
        "fullName": f"{module}#test_it",
        "historyId": "same",
        "status": "passed",
        "start": start,
        "stop": stop,
        **more,
    }
    (folder / f"{uuid}-result.json").write_text(json.dumps(data))


def container(attempt: Path, name: str, start: int, stop: int, *children: str) -> None:
    """An Allure container with one fixture."""
    data = {"children": list(children), "befores": [{"name": name, "start": start, "stop": stop}]}
    (attempt / ALLURE / f"{name}-container.json").write_text(json.dumps(data))
