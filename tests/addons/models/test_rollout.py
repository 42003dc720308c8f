"""Which node is told next, and what the cloud claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from edge_lab.addons.models.objects import stage_specs
from images.models.edge_models.rollout import (
    Heard,
    NodePhase,
    NodeView,
    Plan,
    Progress,
    RolloutStage,
    Wish,
    plan,
    status_of,
    view_of,
    wish_of,
)
from images.models.edge_models.states import Phase, Version

NEW, OLD = Version("2", "sha256:2"), Version("1", "sha256:1")
STAGES = (RolloutStage("all", tuple("abcdef")),)
WISH = Wish("boiler", 5, NEW, "models/boiler", 12, 0.1, STAGES)


def node(name: str, **more: Any) -> NodeView:
    known: dict[str, Any] = {"heard": True, "phase": Phase.SERVING, "serving": OLD, "told": 4}
    return NodeView(name, **{**known, "generation": 4, **more})


def done(name: str) -> NodeView:
    return node(name, told=5, generation=5, serving=NEW)


def test_the_first_node_is_told_first_and_alone() -> None:
    found = plan(WISH, [node("a"), node("b"), node("c")])
    assert found.tell == ("a",)
    assert found.progress is Progress.PROGRESSING


def test_no_other_is_told_while_one_is_about_it() -> None:
    assert plan(WISH, [node("a", told=5), node("b")]).tell == ()
    fetching = node("a", told=5, generation=5, phase=Phase.FETCHING)
    assert plan(WISH, [fetching, node("b")]).tell == ()
    # It says that it serves, and its server has something else.
    assert plan(WISH, [node("a", told=5, generation=5), node("b")]).tell == ()


def test_the_next_is_told_when_one_has_done_it() -> None:
    assert plan(WISH, [done("a"), node("b"), node("c")]).tell == ("b",)
    assert plan(WISH, [done("a"), done("b")]).progress is Progress.COMPLETE


def test_a_refusal_halts() -> None:
    for phase in (Phase.REFUSED, Phase.ROLLED_BACK):
        failed = node("a", told=5, generation=5, phase=phase, reason="Worse", message="so much")
        found = plan(WISH, [failed, node("b")])
        assert (found.tell, found.progress) == ((), Progress.HALTED)
        assert found.message == "a: Worse so much"


def test_what_a_node_waits_for_is_said() -> None:
    full = node("a", told=5, generation=5, phase=Phase.FETCHING, reason="NoSpace", message="full")
    found = plan(WISH, [full, node("b"), node("c", heard=False)])
    assert (found.tell, found.progress) == ((), Progress.PROGRESSING)
    assert found.message == "not heard of: c; a: NoSpace full"
    assert status_of(WISH, found, [full])["nodes"]["a"]["reason"] == "NoSpace"


def test_a_node_out_of_reach_holds_up_nobody() -> None:
    found = plan(WISH, [node("a", heard=False), node("b")])
    assert found.tell == ("b",)
    assert found.nodes["a"] is NodePhase.UNKNOWN
    found = plan(WISH, [node("a", heard=False, told=5), done("b")])
    assert (found.tell, found.progress) == ((), Progress.PROGRESSING)
    assert "a" in found.message


def test_an_outdated_wish_does_not_wait_for_a_node_out_of_reach() -> None:
    away = node("a", heard=False, told=4, generation=3)
    assert plan(WISH, [away, node("b")]).withdraw == ("a",)
    failed = node("b", told=5, generation=5, phase=Phase.REFUSED)
    assert plan(WISH, [away, failed]).withdraw == ("a",)
    # What another node has refused is not for this one either.
    unaware = node("a", heard=False, told=5)
    assert plan(WISH, [unaware, node("b")]).withdraw == ()
    assert plan(WISH, [unaware, failed]).withdraw == ("a",)
    # Nothing is to be withdrawn, or it is known on the node.
    for told, generation in ((0, 3), (5, 3), (4, 4)):
        known = node("a", heard=False, told=told, generation=generation)
        assert plan(WISH, [known, node("b")]).withdraw == ()
    # A node that can be reached is told the new wish.
    assert plan(WISH, [node("a", told=4, generation=3)]).withdraw == ()


def test_nothing_is_claimed_of_a_node_out_of_reach() -> None:
    nodes = [done("a"), node("b", heard=False)]
    status = status_of(WISH, plan(WISH, nodes), nodes)
    assert status["nodes"]["a"]["digest"] == NEW.digest
    assert status["nodes"]["b"] == {"phase": "Unknown", "tag": "", "digest": "", "reason": ""}


def test_what_runs_is_shown_not_what_is_wanted() -> None:
    nodes = [node("a", told=5, generation=5)]
    assert status_of(WISH, plan(WISH, nodes), nodes)["nodes"]["a"]["tag"] == "1"


NODES = some.lists(
    some.builds(
        NodeView,
        name=some.sampled_from("abcdef"),
        heard=some.booleans(),
        told=some.sampled_from((4, 5)),
        generation=some.sampled_from((4, 5)),
        phase=some.sampled_from(Phase),
        serving=some.sampled_from((None, OLD, NEW)),
    ),
    unique_by=lambda node: node.name,
)


@given(NODES)
def test_never_more_than_one_is_told_and_never_after_a_failure(nodes: list[NodeView]) -> None:
    found: Plan = plan(WISH, nodes)
    assert len(found.tell) <= 1
    phases = set(found.nodes.values())
    if NodePhase.FAILED in phases or NodePhase.TOLD in phases:
        assert found.tell == ()
    if found.progress is Progress.COMPLETE:
        assert all(node.serving == NEW for node in nodes)


def test_objects_are_read() -> None:
    model = {
        "metadata": {"name": "boiler", "generation": 5},
        "spec": {
            "repository": "models/boiler",
            "version": {"tag": "2", "digest": "sha256:2"},
            "stages": [{"name": "all", "nodes": list("abcdef")}],
            "gate": {"samples": 12, "tolerance": 0.1},
        },
    }
    assert wish_of(model) == WISH
    found = {
        "metadata": {"name": "a"},
        "spec": {"models": {"boiler": WISH.of_node()}},
        "status": {
            "beat": 3,
            "models": {
                "boiler": {
                    "phase": "Serving",
                    "generation": 5,
                    "serving": {"tag": "2", "digest": "sha256:2"},
                }
            },
        },
    }
    assert plan(WISH, [view_of(found, "boiler", True)]).progress is Progress.COMPLETE
    assert view_of({"metadata": {"name": "a"}}, "boiler", False).told == 0


def test_a_node_is_heard_of_by_its_counter() -> None:
    heard = Heard(30)
    assert not heard.look("a", None, 0)
    assert heard.look("a", 1, 0)
    assert heard.look("a", 1, 30)
    assert not heard.look("a", 1, 31)
    assert heard.look("a", 2, 40)
    # A node that lost its disk counts from the beginning.
    assert heard.look("a", 1, 90)


# -- canary regions ------------------------------------------------------------------------------

CANARY = replace(
    WISH, stages=(RolloutStage("north", ("a", "b"), 24), RolloutStage("south", ("c",)))
)


def confirmed(name: str, count: int | None) -> NodeView:
    return replace(done(name), confirmed=count)


def test_a_stage_waits_until_the_canary_stage_has_confirmed_the_version() -> None:
    assert plan(CANARY, [confirmed("a", 0), node("b"), node("c")]).tell == ("b",)
    found = plan(CANARY, [confirmed("a", 30), confirmed("b", 12), node("c")])
    assert (found.tell, found.progress) == ((), Progress.PROGRESSING)
    assert found.message == "b has confirmed the version on 12 of 24 samples"
    assert plan(CANARY, [confirmed("a", 24), confirmed("b", 30), node("c")]).tell == ("c",)


def test_a_node_with_nothing_to_compare_with_confirms_at_once() -> None:
    assert plan(CANARY, [confirmed("a", None), confirmed("b", 24), node("c")]).tell == ("c",)


def test_a_canary_stage_out_of_reach_is_waited_for() -> None:
    away = [node("a", heard=False), node("b", heard=False)]
    found = plan(CANARY, [*away, node("c")])
    assert (found.tell, found.progress) == ((), Progress.PROGRESSING)
    assert "no node of north has confirmed the version" in found.message
    # One of its nodes is enough.
    assert plan(CANARY, [away[0], confirmed("b", 24), node("c")]).tell == ("c",)


def test_stages_are_read() -> None:
    model = {
        "metadata": {"name": "boiler", "generation": 5},
        "spec": {
            "repository": "models/boiler",
            "version": {"tag": "2", "digest": "sha256:2"},
            "stages": stage_specs({"north": ("a", "b"), "south": ("c",)}, 24),
            "gate": {"samples": 12, "tolerance": 0.1},
        },
    }
    assert wish_of(model) == CANARY
    assert CANARY.order == ("a", "b", "c")
