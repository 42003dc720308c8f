"""Faults as forms: each can be filled in, and what comes of it is what the command line takes."""

from __future__ import annotations

import pytest

from edge_lab.core.errors import InputError
from edge_lab.faults.catalog import built_in
from edge_lab.faults.forms import PLACES, FaultForm, Input, forms_for
from edge_lab.faults.shorthand import parse_fault
from tests.faults.fake_engine import TOPOLOGY

SOMETHING = {
    "name": "3g",
    "service": "kubelet.service",
    "certificate": "kubelet-client",
}
"""For required fields that are text."""


def all_forms() -> list[FaultForm]:
    parts = (("link", "arm-cloud"), ("node", "edge-arm"), ("device", "boiler"))
    return [form for place, name in parts for form in forms_for(place, name, TOPOLOGY)]


@pytest.mark.parametrize("form", all_forms(), ids=lambda form: f"{form.family}-{form.title}")
def test_a_form_that_is_filled_in_is_a_fault(form: FaultForm) -> None:
    samples = {Input.WHOLE: "2", Input.NUMBER: "0.5"}
    filled = [
        f"{field.name}={samples.get(field.input) or SOMETHING[field.name]}"
        for field in form.fields
        if field.required
    ]
    if form.title in (
        "memory-hog",
        "memory-balloon",
    ):  # one of two is required, which no field says
        filled.append("mib=100")
    fault = parse_fault((*form.words, *filled))
    assert fault.family == form.family
    assert form.meaning


@pytest.mark.parametrize("form", all_forms(), ids=lambda form: f"{form.family}-{form.title}")
def test_a_default_that_is_written_out_changes_nothing(form: FaultForm) -> None:
    for field in form.fields:
        if field.choices:
            assert field.default in (*field.choices, "")
        if field.required or not field.default:
            continue
        if field.input in (Input.WHOLE, Input.NUMBER):
            float(field.default)


def test_each_kind_that_is_about_a_link_node_or_device_is_offered() -> None:
    offered = {form.words[0] for form in all_forms()}
    about = {
        name
        for name, kind in built_in().kinds.items()
        if any(place in kind.model_fields for place in PLACES)
    }
    assert about <= offered


def test_fields_of_a_field_that_may_be_left_out_are_not_required() -> None:
    impair = next(form for form in all_forms() if form.title == "impair")
    burst = [field for field in impair.fields if field.name.startswith("burst_loss.")]
    assert burst
    assert not any(field.required for field in burst)


def test_what_a_device_cannot_have_says_why() -> None:
    forms = {form.title: form for form in forms_for("device", "boiler", TOPOLOGY)}
    assert not forms["slow"].impossible
    assert not forms["junk"].impossible
    assert "modbus-tcp" in forms["bad-crc"].impossible
    assert forms["serial-noise"].impossible
    with pytest.raises(InputError):
        parse_fault(forms["bad-crc"].words).check(TOPOLOGY)


def test_an_impairment_that_needs_a_field_is_possible() -> None:
    forms = {form.title: form for form in forms_for("link", "arm-cloud", TOPOLOGY)}
    assert not forms["impair"].impossible


def test_the_names_of_line_profiles_are_offered() -> None:
    profile = next(form for form in all_forms() if form.title == "profile")
    (name,) = profile.fields
    assert "3g" in name.examples
    for example in name.examples:
        parse_fault((*profile.words, f"name={example}")).check(TOPOLOGY)
