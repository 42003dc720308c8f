"""Debian's Prometheus and vmagent of the suites of root images, for this machine, in build/debian.

python -m tests.addons.metrics.fetch [SUITE …]
"""

from __future__ import annotations

import sys

from edge_lab.addons.metrics.names import PROMETHEUS_PROGRAM, VMAGENT_PROGRAM
from tests.addons.fetch import fetch, suites

if __name__ == "__main__":
    for name in sys.argv[1:] or suites():
        fetch(name, (PROMETHEUS_PROGRAM.package, VMAGENT_PROGRAM.package))
