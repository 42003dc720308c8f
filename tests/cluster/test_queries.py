"""kubectl's words for objects, as far as the lab's client takes them."""

from __future__ import annotations

import pytest

from edge_lab.cluster.resources import BUILT_IN, Query, parse_query


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("nodes", Query("nodes")),
        ("pod p -n x", Query("pod", "p", "x")),
        ("-n x pod p", Query("pod", "p", "x")),
        ("pods --namespace=x -l a=b", Query("pods", namespace="x", labels="a=b")),
        ("pods -A --field-selector=a=b,c=d", Query("pods", everywhere=True, fields="a=b,c=d")),
        ("pods --selector a=b", Query("pods", labels="a=b")),
    ],
)
def test_a_question_is_read(words: str, query: Query) -> None:
    assert parse_query(words.split()) == query


@pytest.mark.parametrize(
    "words",
    ["", "-n x", "pods -n", "pods a b", "pods -o wide", "pods --watch", "pod p -A", "pod p -l a=b"],
)
def test_what_the_client_does_not_know_is_not_left_out(words: str) -> None:
    with pytest.raises(ValueError, match=r"a |not |says"):
        parse_query(words.split())


@pytest.mark.parametrize("word", ["pods", "pod", "Pod"])
def test_a_kind_has_all_its_long_names(word: str) -> None:
    assert [found.kind for found in BUILT_IN if found.is_called(word)] == ["Pod"]


def test_no_two_kinds_have_a_name_in_common() -> None:
    names = [name for kind in BUILT_IN for name in (kind.plural, kind.kind.lower())]
    assert len(names) == len(set(names))
    assert not any(kind.is_called("po") for kind in BUILT_IN)
