"""The table of docs/sandbox.md is the one that verdicts go by."""

from __future__ import annotations

from pathlib import Path

from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting
from edge_lab.oracles.sandbox.admission import ADMISSION, Level
from edge_lab.oracles.sandbox.aimed import (
    API,
    DEVICE,
    HOST_PATH,
    MANAGEMENT_PATH,
    METADATA,
    RUNTIME_SOCKET,
)
from edge_lab.oracles.sandbox.bombs import BOMBS
from edge_lab.oracles.sandbox.expected import Row
from edge_lab.oracles.sandbox.microvmtable import MICROVM_ROWS
from edge_lab.oracles.sandbox.otherpods import (
    CREDENTIALS,
    HOST_PID,
    NEIGHBOUR,
    NODE_KEY,
    POD_NETWORK,
)
from edge_lab.oracles.sandbox.table import KERNEL

DOCS = Path(__file__).resolve().parents[3] / "docs" / "sandbox.md"


def line(name: str, row: Row) -> str:
    cells = (str(row.expects[setting]) for setting in CONTAINER_SETTINGS)
    return f"| `{name}` | {' | '.join(cells)} |"


def test_each_row_is_in_the_docs_as_it_is_declared() -> None:
    written = DOCS.read_text(encoding="utf-8").splitlines()
    declared = {
        **KERNEL,
        **METADATA,
        **MANAGEMENT_PATH,
        **DEVICE,
        **API,
        **HOST_PATH,
        **RUNTIME_SOCKET,
        **POD_NETWORK,
        **NEIGHBOUR,
        **HOST_PID,
        **CREDENTIALS,
        **NODE_KEY,
    }
    missing = [line(name, row) for name, row in declared.items() if line(name, row) not in written]
    assert not missing, "\n".join(missing)


def test_each_row_of_a_microvm_is_in_the_docs_beside_runc_and_gvisor() -> None:
    written = DOCS.read_text(encoding="utf-8").splitlines()
    beside = (Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT)
    lines = [
        f"| `{name}` | {row.expects[Setting.MICROVM]} | "
        + " | ".join(str(KERNEL[name].expects[setting]) for setting in beside)
        + " |"
        for name, row in MICROVM_ROWS.items()
    ]
    assert [text for text in lines if text not in written] == []


def test_each_pod_at_admission_is_in_the_docs_as_it_is_declared() -> None:
    written = DOCS.read_text(encoding="utf-8").splitlines()
    lines = [
        f"| `{name}` | {row.title} | "
        + " | ".join(
            ", ".join(sorted(row.refusals.get(level, ()))) or "admitted"
            for level in (Level.BASELINE, Level.RESTRICTED)
        )
        + " |"
        for name, row in ADMISSION.items()
    ]
    assert [text for text in lines if text not in written] == []


def test_each_bomb_is_in_the_docs_as_it_is_declared() -> None:
    written = DOCS.read_text(encoding="utf-8").splitlines()
    lines = {line.split("|")[1].strip(): line for line in written if line.count("|") == 5}
    for kind, row in BOMBS.items():
        stops = ["/".join(sorted(found)) for found in (row.runc, row.gvisor)]
        assert [cell.strip() for cell in lines[f"`{kind}`"].split("|")[3:5]] == stops
