"""Data files that are installed with the package: the folders images/, labs/ and plans/.

In the repository these are links to the folders at its top.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

IMAGES = (_HERE / "images").resolve()
"""Recipes of root disks, Go modules of components, the workload and the mapper."""

LABS = (_HERE / "labs").resolve()
"""Topology files."""

PLANS = (_HERE / "plans").resolve()
"""Fault plans."""
