"""YAML that the lab writes is read by others as it was meant, whoever has written it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from edge_lab.core.yamltext import yaml_document, yaml_text

TEXTS = (
    "yes",
    "0123",
    "1e3",
    "null",
    "",
    " ",
    "- a",
    "a: b",
    "a #b",
    "ü",
    "x" * 2_000,
    "a\n b\n\n",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_stays_a_text(text: str) -> None:
    tree = {"text": text, "list": [text, {text: text}]}
    written = yaml_text(tree)
    assert yaml.safe_load(written) == tree == yaml_document(written)


def test_keys_stay_in_their_order() -> None:
    tree: dict[str, Any] = {"z": 1, "a": {"y": None, "b": [True, 2.5]}}
    assert list(yaml_document(yaml_text(tree))) == ["z", "a"]
    assert yaml_text(tree) == "z: 1\na:\n  y: null\n  b:\n  - true\n  - 2.5\n"


def test_several_documents_follow_one_another() -> None:
    assert list(yaml.safe_load_all(yaml_text({"a": 1}, {"b": 2}))) == [{"a": 1}, {"b": 2}]
