"""`python -m edge_lab.report RESULTS PAGE_FOLDER`: what `make report` calls."""

from __future__ import annotations

import sys
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError
from edge_lab.report.page import make_page

SECONDS = 600.0


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: python -m edge_lab.report RESULTS PAGE_FOLDER", file=sys.stderr)
        return 2
    try:
        page = make_page(Path(sys.argv[1]), Path(sys.argv[2]), Deadline.scaled(SECONDS))
    except EdgeLabError as trouble:
        print(trouble, file=sys.stderr)
        return trouble.exit_code
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
