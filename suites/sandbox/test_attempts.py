"""What hostile pods reach: each attempt in each setting, beside what is declared of it."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting
from edge_lab.oracles.sandbox.table import KERNEL
from suites.sandbox.sharedpods import Attacker, Once, attempt_at_the_kernel

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Attempts")]


@pytest.mark.scenario("hostile attempts at the kernel")
@pytest.mark.parametrize("setting", CONTAINER_SETTINGS, ids=str)
@allure.title("On {edge_node}, a pod with {setting} reaches what is declared, and nothing else")
def test_a_hostile_pod_reaches_what_is_declared(attacker: Attacker, once: Once) -> None:
    attacker.judge(once(attempt_at_the_kernel, attacker))


@allure.title("On {edge_node}, the attempts are able to succeed: {setting} (control)")
@pytest.mark.parametrize("setting", [Setting.RUNC_PRIVILEGED, Setting.GVISOR_PRIVILEGED], ids=str)
def test_attempts_succeed_where_nothing_stops_them(attacker: Attacker, once: Once) -> None:
    """An attempt that can never succeed proves nothing where it fails."""
    wanted = {
        name
        for name, row in KERNEL.items()
        if all(expectation.reached for expectation in row.expects[attacker.setting])
    }
    run = once(attempt_at_the_kernel, attacker).run
    reached = {record.attempt for record in run.records if record.reached}
    assert run.complete
    assert wanted
    assert wanted - reached == set(), [str(record.shown) for record in run.records]
