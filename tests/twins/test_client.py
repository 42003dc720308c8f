"""What is asked of the API server about twins, and what is made of its answers."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.twins.client import DEVICES, TwinClient
from edge_lab.addons.twins.status import ReportedProperty, TwinStatus, parse_status
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

STATUS = {
    "metadata": {"name": "boiler-edge"},
    "status": {
        "state": "online",
        "twins": [
            {
                "propertyName": "temperature",
                "reported": {"value": "65.3", "metadata": {"timestamp": "1700000000123"}},
                "observedDesired": {"value": "70"},
            },
            {"propertyName": "valve", "reported": {"value": "50"}},
        ],
    },
}

soon = Deadline.after(60)


class FakeKubectl:
    """One Device; patches are applied to it as the API server would."""

    def __init__(self, properties: list[dict[str, Any]] | None) -> None:
        self.properties = properties
        self.patches: list[list[dict[str, Any]]] = []

    def find(self, *args: str, deadline: Deadline) -> dict[str, Any] | None:
        if args[0] != DEVICES or self.properties is None:
            return None
        return {"spec": {"properties": json.loads(json.dumps(self.properties))}}

    def patch(self, *args: str, patch: dict[str, Any], deadline: Deadline) -> None:
        assert args[0] == DEVICES
        self.properties = json.loads(json.dumps(patch))["spec"]["properties"]
        assert self.properties is not None
        self.patches.append(self.properties)


def client_of(properties: list[dict[str, Any]] | None) -> tuple[TwinClient, FakeKubectl]:
    fake = FakeKubectl(properties)
    return TwinClient(cast("Kubectl", fake)), fake


def test_a_status_is_read_as_it_is() -> None:
    status = parse_status(STATUS)
    assert status == TwinStatus(
        "boiler-edge",
        "online",
        {
            "temperature": ReportedProperty("65.3", "70", 1700000000123),
            "valve": ReportedProperty("50"),
        },
    )
    assert status.value("valve") == "50"
    assert status.value("colour") is None
    assert (status.observed("temperature"), status.observed("colour")) == ("70", "")


@given(st.text())
def test_a_time_that_is_none_is_no_time(text: str) -> None:
    twin = {"propertyName": "a", "reported": {"value": "1", "metadata": {"timestamp": text}}}
    manifest = {"metadata": {"name": "x"}, "status": {"twins": [twin]}}
    assert parse_status(manifest).properties["a"].taken >= 0


def test_errors_are_read_by_property() -> None:
    errors = {"readErrors": {"a": "exception 2"}, "writeErrors": {"b": "5: out of range"}}
    found = parse_status({"metadata": {"name": "x"}, "status": {"extensions": errors}})
    assert (found.read_errors, found.write_errors) == (errors["readErrors"], errors["writeErrors"])
    bare = parse_status(STATUS)
    assert (bare.read_errors, bare.write_errors) == ({}, {})


def test_nothing_reported_yet_is_an_empty_status() -> None:
    client, _ = client_of(None)
    assert client.status("boiler-edge", soon) == TwinStatus("boiler-edge")


def test_what_is_desired_is_taken_back_and_what_was_added_is_removed() -> None:
    before: list[dict[str, Any]] = [
        {"name": "a", "collectCycle": 5},
        {"name": "b", "desired": {"value": "1"}},
    ]
    client, fake = client_of(before)
    with client.desiring("boiler-edge", {"a": "7", "c": "8"}, soon):
        assert fake.properties == [
            {"name": "a", "collectCycle": 5, "desired": {"value": "7"}},
            {"name": "b", "desired": {"value": "1"}},
            {"name": "c", "desired": {"value": "8"}},
        ]
    assert fake.properties == before


def test_it_is_taken_back_after_a_failure_too() -> None:
    client, fake = client_of([{"name": "a"}])
    with (
        pytest.raises(AssertionError),
        client.desiring("boiler-edge", {"a": "7"}, soon),
    ):
        raise AssertionError
    assert fake.properties == [{"name": "a"}]


def test_it_is_taken_back_when_no_answer_came_to_what_was_done() -> None:
    client, fake = client_of([{"name": "a"}])
    put = fake.patch

    def unanswered(*args: str, patch: dict[str, Any], deadline: Deadline) -> None:
        put(*args, patch=patch, deadline=deadline)
        fake.patch = put  # type: ignore[method-assign]
        raise LabError("no answer")

    fake.patch = unanswered  # type: ignore[method-assign]
    with pytest.raises(LabError), client.desiring("boiler-edge", {"a": "7"}, soon):
        pass
    assert len(fake.patches) == 2
    assert fake.properties == [{"name": "a"}]


def test_a_twin_that_is_not_there_says_how_to_get_one() -> None:
    client, _ = client_of(None)
    with pytest.raises(LabError) as trouble, client.desiring("boiler-edge", {"a": "7"}, soon):
        pass
    assert "twins" in trouble.value.remedy
