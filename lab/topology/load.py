"""Reads a topology from YAML, and says file, line and remedy of a mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_lab.core.yamlmodel import YamlModel, line_of
from edge_lab.data import LABS
from edge_lab.topology.consistency import TopologyProblem
from edge_lab.topology.model import Topology

__all__ = ["line_of", "load_topology", "parse_topology"]

_TOPOLOGY: YamlModel[Topology] = YamlModel(
    Topology,
    what="topology",
    keys="name:, nodes:, links:, …",
    remedy=f"{LABS / 'default.yaml'} is a good one to begin with.",
    extensions=True,
)


def load_topology(
    path: Path,
    *,
    name: str | None = None,
    check: Callable[[Topology], None] = lambda topology: None,
) -> Topology:
    """The topology in `path`; `name` calls the lab otherwise than its file does.

    Files that it names are found from its folder, and are absolute in what is returned. What
    `check` raises as a TopologyProblem gets its file and line, too.

    Raises:
        InputError: the file is missing, no YAML, or describes no possible lab; the
            message holds file, line, what is wrong and what would be right.
    """
    folder = path.absolute().parent

    def check_all(topology: Topology) -> None:
        _files_are_there(topology, folder)
        check(topology)

    read = _TOPOLOGY.load(path, put=_called(name), check=check_all)
    return read.beside(folder)


def parse_topology(
    text: str, file: Path | str = "<topology>", *, name: str | None = None
) -> Topology:
    """As `load_topology`, from text; `file` is what messages call it. Files are not looked for."""
    return _TOPOLOGY.parse(text, file, put=_called(name))


def _called(name: str | None) -> dict[str, str]:
    return {} if name is None else {"name": name}


def _files_are_there(topology: Topology, folder: Path) -> None:
    for index, device in enumerate(topology.devices):
        for number, file in enumerate(device.opcua.nodesets if device.opcua else ()):
            if not (folder / file).is_file():
                raise TopologyProblem(
                    f"there is no nodeset {folder / file}",
                    ("devices", index, "opcua", "nodesets", number),
                    "A nodeset's path is relative to the folder of the topology file.",
                )
