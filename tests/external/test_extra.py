"""Drivers of libraries that are not here: what `lab up` says of them, and where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.core.errors import InputError
from tests.external.topologies import POWER, with_more


def loaded(tmp_path: Path, text: str) -> InputError:
    """What `lab up` says of a topology whose drivers are the only thing wrong."""
    (tmp_path / "id_board").touch()
    file = tmp_path / "lab.yaml"
    file.write_text(text.replace("host-interface: eth7", "host-interface: lo"))
    load_topology(file)  # to draw it, say, nothing has to be there
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("edge_lab.addons.checks.check_host_interfaces", lambda topology: None)
        with pytest.raises(InputError) as caught:
            load_topology(file, here=True)
    return caught.value


def test_a_library_that_nobody_brings_is_refused(tmp_path: Path) -> None:
    text = with_more(POWER + "        library: labgird\n")
    assert "Did you mean 'labgrid'" in loaded(tmp_path, text).remedy


def test_without_labgrid_the_remedy_is_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "labgrid.driver", None)
    mistake = loaded(tmp_path, with_more(POWER))
    assert "labgrid" in mistake.message
    assert "edge-lab[hardware]" in mistake.remedy
