"""The matrix of attempts and settings: what stands in its cells."""

from __future__ import annotations

import re

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox import judge_attempts, judge_sandbox
from edge_lab.oracles.sandbox.attempts import JudgedAttempt
from edge_lab.oracles.sandbox.expected import reached, refused, same
from edge_lab.oracles.sandbox.proofs import NEEDS_A_SANDBOX, PROOFS
from edge_lab.report.attemptmatrix import sandbox_html
from tests.oracles.sandbox.seen import (
    POD,
    attempt,
    run_of,
    runc_outside,
    sandbox_outside,
    sandboxed,
    under_runc,
)

DECLARED = {
    "open": same("a <door>", reached("nothing stops it")),
    "shut": same("a wall", refused("EPERM")),
    "other": same("a third", refused("EPERM")),
    "unmade": same("a fourth", reached()),
}
RUN = run_of(
    attempt("open", reached=True), attempt("shut", reached=True), attempt("other", errno="ENOSYS")
)


def judged(setting: Setting, node: str = "edge-arm") -> tuple[JudgedAttempt, ...]:
    return judge_attempts(node, "s", setting, RUN, DECLARED).judged


def classes(html: str) -> list[str]:
    return re.findall(r'<td class="(\w+)"', html)


def test_each_cell_has_its_colour_and_its_words() -> None:
    html = sandbox_html(judged(Setting.RUNC_DEFAULT))
    assert classes(html) == ["pass", "bad", "bad", "unknown"]
    assert "a &lt;door&gt;" in html
    assert "<b>wrong reason: ENOSYS</b>" in html
    assert "<b>no evidence: not tried</b>" in html
    assert "expected: EPERM" in html
    assert "nothing stops it" in html


def test_settings_are_columns_in_their_order_and_nodes_are_tables() -> None:
    found = (
        *judged(Setting.GVISOR_DEFAULT),
        *judged(Setting.RUNC_DEFAULT),
        *judged(Setting.RUNC_DEFAULT, "edge-x86"),
    )
    html = sandbox_html(found)
    assert re.findall(r'<th scope="col">([^<]+)</th>', html) == [
        *("attempt", "runc default", "gvisor default"),
        *("attempt", "runc default"),
    ]
    assert re.findall(r"<h2>([^<]+)</h2>", html) == ["Attempts on edge-arm", "Attempts on edge-x86"]


def test_an_attempt_that_failed_once_is_red_whatever_came_after() -> None:
    good = judge_attempts(
        "edge-arm",
        "s",
        Setting.RUNC_DEFAULT,
        run_of(attempt("shut", errno="EPERM")),
        {"shut": DECLARED["shut"]},
    )
    bad = judge_attempts(
        "edge-arm",
        "s",
        Setting.RUNC_DEFAULT,
        run_of(attempt("shut", reached=True)),
        {"shut": DECLARED["shut"]},
    )
    assert classes(sandbox_html((*good.judged, *bad.judged))) == ["bad"]
    assert classes(sandbox_html((*bad.judged, *good.judged))) == ["bad"]


def test_proofs_have_a_column_for_each_pod() -> None:
    verdicts = [
        judge_sandbox("edge-arm", "s", POD, sandboxed(), sandbox_outside()),
        judge_sandbox("edge-arm", "s", POD, under_runc(), runc_outside()),
    ]
    html = sandbox_html((), verdicts)
    assert f"{POD}: sandboxed by gVisor" in html
    assert f"{POD}: not sandboxed" in html
    found = classes(html)
    assert found.count("pass") == len(PROOFS)
    assert found.count("unknown") == len(NEEDS_A_SANDBOX)
    assert found.count("bad") == len(PROOFS) - len(NEEDS_A_SANDBOX)
