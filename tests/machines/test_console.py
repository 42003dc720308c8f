"""The console watcher: it sees every death, and cries wolf at nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.machines import ConsoleLog, Fatal, MachineDied
from edge_lab.machines.console import fatal_in, plain

DEADLY = [
    (
        "[    1.612345] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
        Fatal.PANIC,
    ),
    (
        "[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        Fatal.PANIC,
    ),
    ("[    1.590000] int3: 0000 [#1] PREEMPT SMP NOPTI", Fatal.PANIC),
    ("[    1.600000][    T1] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI", Fatal.PANIC),
    ("[   88.100000] Oops: 0002 [#1] PREEMPT SMP PTI", Fatal.PANIC),
    ("[   88.100000] Oops: Oops: 0002 [#1] PREEMPT SMP PTI", Fatal.PANIC),
    ("[   31.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008", Fatal.PANIC),
    ("[   31.000000] BUG: unable to handle page fault for address: ffffffffc0000000", Fatal.PANIC),
    ("[   40.000000] kernel BUG at mm/slub.c:4381!", Fatal.PANIC),
    (
        "[   12.345678] Unable to handle kernel NULL pointer dereference at virtual address 00000",
        Fatal.PANIC,
    ),
    ("[   12.345678] Internal error: Oops: 0000000096000046 [#1] SMP", Fatal.PANIC),
    ("[   12.345678] Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP", Fatal.PANIC),
    ("[   55.000000] Oops [#1]", Fatal.PANIC),
    ("[   55.000000] Oops - illegal instruction [#1]", Fatal.PANIC),
    (
        "[   90.000000] Out of memory: Killed process 812 (stress-ng) total-vm:2000000kB",
        Fatal.OUT_OF_MEMORY,
    ),
    (
        "[   90.000000] Memory cgroup out of memory: Killed process 99 (kubelet) total-vm:1kB",
        Fatal.OUT_OF_MEMORY,
    ),
    (
        "[   90.000000] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/",
        Fatal.OUT_OF_MEMORY,
    ),
    ("[   89.900000] kubelet invoked oom-killer: gfp_mask=0x140cca, order=0", Fatal.OUT_OF_MEMORY),
    (
        "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mkubelet.service\x1b[0m - Kubelet.",
        Fatal.FAILED_UNIT,
    ),
    ("[FAILED] Failed to mount opt-edge\\x2dlab.mount - Payload.", Fatal.FAILED_UNIT),
]

HARMLESS = [
    "[    0.000000] Kernel command line: root=/dev/vda rw panic=-1 oops=panic",
    "[    1.000000] panic=-1: reboot at once",
    "[    0.500000] Booting with the Kernel panic notifier chain",
    "Kernel panic - not syncing: said by a program, not by the kernel",
    "[   10.000000] systemd[1]: Starting systemd-oomd.service - Out-Of-Memory (OOM) Killer...",
    "[  OK  ] Listening on systemd-oomd.socket - Userspace Out-Of-Memory (OOM) Killer Socket.",
    "[   20.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [swapper/1:0]",
    "[   21.000000] BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!",
    "[   22.000000] rcu: INFO: rcu_preempt self-detected stall on CPU",
    "[    3.000000] Internal error handling is on",
    "[   14.000000] kubelet[700]: Failed to start ContainerManager",
    "Failed to start the conversation [FAILED]",
    "[  OK  ] Started kubelet.service - the FAILED] Failed to start of it all.",
    "[   15.0] EXT4-fs (vda): mounted filesystem; errors=panic",
    "[   16.0] crash: Out of memory: nothing was killed",
    "[   17.000000] NET: Oops-free since boot",
]


@pytest.mark.parametrize(("line", "kind"), DEADLY)
def test_a_deadly_line_is_seen_for_what_it_is(line: str, kind: Fatal) -> None:
    found = fatal_in(line)
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize("line", HARMLESS)
def test_a_line_that_only_looks_deadly_is_let_pass(line: str) -> None:
    assert fatal_in(line) is None


@given(st.text(max_size=200))
def test_no_text_upsets_the_watcher(text: str) -> None:
    fatal_in(text)
    assert "\r" not in plain(text)


RECORDED = Path(__file__).parent / "consoles"


@pytest.mark.parametrize("log", sorted(RECORDED.glob("boot-*.log")), ids=lambda p: p.stem)
def test_a_recorded_good_boot_has_no_fatal_line(log: Path) -> None:
    assert ConsoleLog("guest", log).fatal_line() is None


@pytest.mark.parametrize("log", sorted(RECORDED.glob("panic-*.log")), ids=lambda p: p.stem)
def test_a_recorded_panic_is_found(log: Path) -> None:
    found = ConsoleLog("guest", log).fatal_line()
    assert found is not None
    assert found.kind is Fatal.PANIC


def test_the_past_is_not_news(tmp_path: Path) -> None:
    log = ConsoleLog("guest", tmp_path / "log")
    assert log.mark() == 0
    assert log.fatal_line() is None
    log.path.write_text("[    1.0] Kernel panic - not syncing: x\n")
    mark = log.mark()
    log.path.open("a").write("[    0.0] Linux version\n")
    assert log.fatal_line() is not None
    assert log.fatal_line(mark) is None
    assert "Linux version" in log.text(mark)


def test_a_line_still_being_printed_is_not_judged(tmp_path: Path) -> None:
    log = ConsoleLog("guest", tmp_path / "log")
    log.path.write_text("[    1.0] Kernel panic - not syncing: x")
    assert log.fatal_line() is None


def test_a_panic_is_told_before_what_came_of_it(tmp_path: Path) -> None:
    log = ConsoleLog("guest", tmp_path / "log")
    log.path.write_text("[FAILED] Failed to start a.service\n[    9.0] Oops [#1]\n")
    with pytest.raises(MachineDied, match="kernel panic on its console") as death:
        log.check()
    assert death.value.fatal.kind is Fatal.PANIC


def test_an_allowed_unit_may_fail(tmp_path: Path) -> None:
    log = ConsoleLog("guest", tmp_path / "log")
    log.path.write_text("[FAILED] Failed to start a.service - A.\n")
    log.check(allowed_units=frozenset({"a.service"}))
    with pytest.raises(MachineDied, match=r"a\.service"):
        log.check(allowed_units=frozenset({"b.service"}))


def test_waiting_ends_at_the_line_that_was_waited_for(tmp_path: Path) -> None:
    log = ConsoleLog("guest", tmp_path / "log")
    writer = threading.Timer(0.1, lambda: log.path.write_text("\x1b[1mlogin:\x1b[0m \n"))
    writer.start()
    assert log.wait_for(r"^login: ", Deadline.after(60))
    writer.join()


def test_waiting_ends_with_a_panic(tmp_path: Path) -> None:
    log = ConsoleLog("guest", tmp_path / "log")
    log.path.write_text("[    1.0] Kernel panic - not syncing: x\n")
    with pytest.raises(MachineDied):
        log.wait_for("login:", Deadline.after(60))
    assert log.wait_for("Kernel panic", Deadline.after(60))


def test_waiting_in_vain_ends_at_the_deadline(tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceeded, match="on the console"):
        ConsoleLog("guest", tmp_path / "log").wait_for("login:", Deadline.after(0.05))
