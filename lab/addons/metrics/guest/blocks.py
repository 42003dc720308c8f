"""Prints the blocks in a bucket as JSON: blocks.py FOLDER [SECONDS].

By block, the sizes of its files and, if it has one, its meta.json. With SECONDS, waits for as long
until a block lacks its meta.json, which is uploaded last, and prints those alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

META = "meta.json"
PAUSE_SECONDS = 0.05
BLOCK_NAME_LENGTH = 26


def read_blocks(bucket: Path) -> dict[str, Any]:
    return {
        folder.name: read_block(folder)
        for folder in sorted(bucket.iterdir())
        if len(folder.name) == BLOCK_NAME_LENGTH
    }


def read_block(folder: Path) -> dict[str, Any]:
    files = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    meta = folder / META
    return {
        "files": {str(path.relative_to(folder)): size for path, size in files.items()},
        "meta": json.loads(meta.read_text("utf-8")) if meta in files else None,
    }


def main(folder: str, seconds: str = "") -> int:
    bucket, end = Path(folder), time.monotonic() + float(seconds or 0)
    while True:
        blocks = read_blocks(bucket)
        half = {
            name: block for name, block in blocks.items() if block["files"] and not block["meta"]
        }
        if not seconds or half or time.monotonic() > end:
            break
        time.sleep(PAUSE_SECONDS)
    print(json.dumps(half if seconds else blocks))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
