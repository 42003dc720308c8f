"""Private keys and tokens in text, which must never be in a record, a report or a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_KEY_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----.*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_KEY_IN_BASE64 = re.compile(
    r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{0,40}(?:UFJJVkFURSBLRVkt|QUklWQVRFIEtFWS|FBSSVZBVEUgS0VZL)"
)
"""A PEM key in a Secret or a kubeconfig: the base64 of "PRIVATE KEY-", which has three forms,
depending on its offset."""
JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}")
BOOTSTRAP = re.compile(r"\bK10[0-9a-f]{64}::[^\s\"']+")
"""K3s' token."""

KINDS: dict[str, re.Pattern[str]] = {
    "private key": PRIVATE_KEY,
    "private key in base64": _KEY_IN_BASE64,
    "token (JWT)": JWT,
    "bootstrap token": BOOTSTRAP,
}

_LEFT_OUT = "[left out: {}]"
_LARGEST = 64 << 20
"""Maximum bytes of a file that is searched; larger ones are not logs."""


def scrubbed(text: str) -> str:
    """`text` without anything that looks like a key or a token."""
    text = _KEY_BLOCK.sub(_LEFT_OUT.format("private key"), text)
    for kind, pattern in KINDS.items():
        text = pattern.sub(_LEFT_OUT.format(kind), text)
    return text


@dataclass(frozen=True)
class Leak:
    """A secret in a file. It does not contain the secret, which would leak it once more."""

    file: Path
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}"


def leaks_in(folder: Path, known: Iterable[str] = ()) -> list[Leak]:
    """All private keys and tokens in the files below `folder`.

    `known` are the texts of known secrets, such as a join token or a password.
    """
    secrets = {secret for secret in known if secret}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [leak for file in files for leak in _in_file(file, secrets)]


def _in_file(file: Path, known: set[str]) -> Iterator[Leak]:
    if file.stat().st_size > _LARGEST:
        return
    text = file.read_bytes().decode("utf-8", errors="replace")
    for kind, pattern in KINDS.items():
        for found in pattern.finditer(text):
            yield Leak(file, text.count("\n", 0, found.start()) + 1, kind)
    for secret in known:
        place = text.find(secret)
        if place >= 0:
            yield Leak(file, text.count("\n", 0, place) + 1, "known secret")
