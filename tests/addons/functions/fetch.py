"""Debian's nats-server of the suites of root images, for this machine, in build/debian.

python -m tests.addons.functions.fetch [SUITE …]
"""

from __future__ import annotations

import sys

from edge_lab.addons.functions.names import NATS
from tests.addons.fetch import fetch, suites

if __name__ == "__main__":
    for name in sys.argv[1:] or suites():
        fetch(name, (NATS.package,))
