"""The format of root images: the part of an image's digest for the code that assembles it.

Two builds of a recipe give the same image as long as the code behaves the same, whatever its
comments and messages are. So the digest covers a number that is declared here instead of the
source files.
"""

from __future__ import annotations

FORMAT = 1
"""Increase it if `assemble`, `accounts`, `ext4` or `initramfs` build a different image from the
same recipe, and remove `_FORMAT_1`: all root images are then rebuilt.
tests/images/test_assembly.py fails if their behaviour changes while this number does not."""

_FORMAT_1 = {
    "accounts.py": "5ff34f9a0a65a91cfc8f2e1a150043313c9d94dcfaa0b6ee0e433b29055ebc3e",
    "assemble.py": "7cde903ec6a0f22bb84fc755fdbed4c363f1f0003252b93e8dab0f524072f181",
    "ext4.py": "256a69b95baa5a81e7b7aafad543f52f74da65f0fbb4df0fa59695b651fa3d80",
    "initramfs.py": "6a501b91009808e9b8a61f338b67e6f704434e2748f4a8dd2681bba602b8f07f",
}
"""Digests of source files in format 1, when they were part of an image's digest, so that images
that were built then keep their digests."""


def assembly_key(number: int = FORMAT) -> str:
    """The data that format `number` adds to the digest of an image."""
    if number == 1:
        return "".join(f"\ncode/{name} {digest}" for name, digest in _FORMAT_1.items())
    return f"\nformat {number}"
