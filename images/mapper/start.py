"""The entry point of the zipapp: unpacks it once, and runs the mapper from there.

Python caches bytecode only of modules in folders; from the archive, an emulated processor would
compile asyncua again at each start.  The folder is named after the archive's content.
"""

import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

HOME = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/edge-mapper"))


def unpacked(archive: Path, home: Path) -> Path:
    """The folder with the content of `archive`; older ones are removed."""
    with zipfile.ZipFile(archive) as content:
        # Their checksums are in the archive's directory: cheaper than reading it all.
        sums = "".join(f"{each.filename} {each.CRC}\n" for each in content.infolist())
        folder = home / f"code-{zlib.crc32(sums.encode()):08x}-{archive.stat().st_size}"
        if folder.is_dir():
            return folder
        home.mkdir(parents=True, exist_ok=True)
        for old in home.glob("code-*"):
            shutil.rmtree(old)
        draft = home / "code-unfinished"
        content.extractall(draft)
        # A power cut must not leave the name without the content.
        os.sync()
        draft.rename(folder)
    return folder


def main() -> None:
    folder = unpacked(Path(sys.argv[0]).resolve(), HOME)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    python = sys.executable
    os.execve(python, [python, "-m", "edge_mapper", *sys.argv[1:]], environment)  # noqa: S606


if __name__ == "__main__":
    main()
