"""Logs of containers as nodes keep them: lines put together, and nothing of the runtime's left."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.observe.podlog import log_command, unwrapped
from tests.budget import examples

TIME = "2026-11-29T11:00:00.123456789Z"


def test_parts_of_a_line_are_put_together() -> None:
    log = (
        f"{TIME} stdout P one \n{TIME} stdout F line\n{TIME} stderr F complaint\n"
        f"{TIME} stdout F \n{TIME} stdout F two  words\n"
    )
    assert unwrapped(log) == "one line\n\ntwo  words\n"


def test_a_file_that_is_being_written_ends_where_it_ends() -> None:
    assert unwrapped(f"{TIME} stdout F a\n{TIME} std") == "a\n"
    assert unwrapped("") == ""


@settings(max_examples=examples(60))
@given(st.lists(st.text(alphabet='ab{} "\\', max_size=40)), st.integers(1, 7))
def test_what_was_written_is_what_is_read(lines: list[str], size: int) -> None:
    wrapped = []
    for line in lines:
        parts = [line[at : at + size] for at in range(0, len(line), size)] or [""]
        wrapped += [f"{TIME} stdout P {part}" for part in parts[:-1]]
        wrapped.append(f"{TIME} stdout F {parts[-1]}")
    assert unwrapped("\n".join(wrapped)) == "".join(f"{line}\n" for line in lines)


def test_the_command_names_the_pods_own_folder() -> None:
    assert "/var/log/pods/edge-lab_p_u/hostile/" in log_command("edge-lab", "p", "u", "hostile")
