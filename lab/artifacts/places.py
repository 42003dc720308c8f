"""Places that hold files of components: a folder on this machine, or one on a web server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.artifacts.model import SourceFailed
from edge_lab.artifacts.web import TEXT_LIMIT, Web
from edge_lab.core.step import Step


class Place(Protocol):
    """Files by path, with `/` as the separator. All failures are SourceFailed."""

    def where(self, path: str) -> str:
        """The location of the file, for messages."""
        ...

    def has(self, path: str) -> bool: ...

    def text(self, path: str) -> str | None:
        """The content of a small text file, None if it does not exist."""
        ...

    def copy(self, path: str, target: Path, this: Step) -> None:
        """Copies the file, or the folder of a container image, to the new path `target`."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this machine."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def where(self, path: str) -> str:
        return str(self.root / path)

    def has(self, path: str) -> bool:
        file = self.root / path
        return file.is_file() or (file / "index.json").is_file()  # or a container image

    def text(self, path: str) -> str | None:
        try:
            with (self.root / path).open(encoding="utf-8", errors="replace") as file:
                return file.read(TEXT_LIMIT)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as trouble:
            raise SourceFailed(f"{self.where(path)}: {trouble.strerror}") from trouble

    def copy(self, path: str, target: Path, this: Step) -> None:
        source = self.root / path
        try:
            if source.is_dir():
                size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
                with disk_full_as_error(target.parent, size):
                    shutil.copytree(source, target)
                return
            size = source.stat().st_size
            with disk_full_as_error(target.parent, size):
                shutil.copyfile(source, target)
        except OSError as trouble:
            raise SourceFailed(f"{source}: {trouble.strerror}") from trouble


@dataclass(frozen=True)
class WebFolder:
    """The files below an http or https address."""

    base: str
    """Without a slash at its end; percent-encoded already, unlike the paths below it."""
    web: Web

    def __str__(self) -> str:
        return self.base

    def where(self, path: str) -> str:
        return f"{self.base}/{quote(path)}"

    def has(self, path: str) -> bool:
        return self.web.has(self.where(path))

    def text(self, path: str) -> str | None:
        return self.web.text(self.where(path))

    def copy(self, path: str, target: Path, this: Step) -> None:
        self.web.fetch(self.where(path), target, this)
