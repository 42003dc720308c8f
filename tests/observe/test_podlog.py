"""Logs of containers as nodes keep them: lines put together, and nothing of the runtime's left."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.observe import podlog
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
    assert "/var/log/pods/edge-lab_p_u/hostile " in log_command("edge-lab", "p", "u", "hostile")


def test_files_of_all_starts_are_read_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlog, "FOLDER", str(tmp_path))
    folder = tmp_path / "edge-lab_p_u" / "hostile"
    folder.mkdir(parents=True)
    order = [
        "2.log.20261129-110000",
        "2.log.20261129-120000",
        "2.log",
        "10.log.20261129-130000",
        "10.log",
    ]
    for name in order:
        (folder / name).write_text(f"{name}\n", encoding="utf-8")
    older = folder / "2.log.20261129-100000.gz"
    older.write_bytes(gzip.compress(f"{older.name}\n".encode()))
    # Half compressed, and of somebody else.
    (folder / "2.log.20261129-110000.tmp").write_text("half\n", encoding="utf-8")
    (folder / "11.log").touch()
    assert printed("p") == [older.name, *order]
    assert printed("another") == []


def printed(pod: str) -> list[str]:
    command = log_command("edge-lab", pod, "u", "hostile")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_end_of_a_log_is_its_last_lines_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlog, "FOLDER", str(tmp_path))
    folder = tmp_path / "edge-lab_p_u" / "hostile"
    command = podlog.end_command("edge-lab", "p", "u", "hostile")
    asked = ["sh", "-c", command]
    nothing = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert (nothing.stdout, nothing.stderr) == ("", "")
    folder.mkdir(parents=True)
    line = "2026-01-01T00:00:00Z stdout F {}\n"
    (folder / "0.log").write_text(line.format("x" * 1023) * 100 + line.format("the end"))
    said = unwrapped(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert said.splitlines()[-1] == "the end"
    assert len(said) < 17_000
