"""A `Site` whose edge node has a clock of its own, which can be set, with all senders, Thanos' too.

Senders and exporter read that clock. The sidecar, which is linked statically, reads the machine's.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.senders import PROMETHEUS, SENDERS, Sender
from edge_lab.pki import Pki
from edge_lab.topology import Arch
from tests.addons.metrics.thanossite import ThanosSite
from tests.namespaces import Namespace

SOURCE = Path(__file__).with_name("nodeclock.c")
BEGINS_SECONDS = -400
"""Of the clock when the programs start. Remote write never sends samples with timestamps before its
start, so a clock that is set back later must not show an earlier time than that."""
NOT_ADJUSTED = "--no-scrape.adjust-timestamps"
"""An option that Prometheus' help does not list: a scrape has the time at which it begins, not the
nearest one of its schedule."""


def _not_adjusted(place: Place, name: str, listen: str) -> tuple[str, ...]:
    return (*replace(PROMETHEUS, name=name).command(place, listen), NOT_ADJUSTED)


UNADJUSTED = replace(PROMETHEUS, name="unadjusted", port=9094, _command=_not_adjusted)


class ClockSite(ThanosSite):
    senders: ClassVar[Mapping[str, Sender]] = {**SENDERS, UNADJUSTED.name: UNADJUSTED}

    @property
    def library(self) -> Path:
        return self.folder / "nodeclock.so"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    def write_more(self, pki: Pki) -> None:
        super().write_more(pki)
        compiler = shutil.which("gcc")
        if compiler is None or os.uname().machine != Arch.X86_64.value:
            pytest.skip("a node's own clock needs gcc and an x86_64 host")
        options = ("-O2", "-Wall", "-Werror", "-fno-stack-protector", "-shared", "-fPIC")
        subprocess.run([compiler, *options, "-o", self.library, SOURCE, "-ldl"], check=True)
        self.clock.write_bytes(struct.pack("q", BEGINS_SECONDS))

    def set_clock(self, ahead: int) -> None:
        """So many seconds ahead of the machine's."""
        with self.clock.open("r+b") as file:
            file.write(struct.pack("q", ahead))

    def start(self, name: str, where: Namespace, argv: Sequence[str]) -> None:
        if where is self.edge:
            own = (f"LD_PRELOAD={self.library}", f"CLOCK_FILE={self.clock}")
            argv = (shutil.which("env") or "/usr/bin/env", *own, *argv)
        super().start(name, where, argv)
