"""The images of a node with CRI-O, what it says of its storage, and settings of it for a while."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator

from edge_lab.addons.crio.names import CONFIG, CRICTL, program
from edge_lab.core.errors import LabError
from edge_lab.fixtures.nodes import LabNode
from edge_lab.provisioning.cri import CRI_O

LIST = f"{program(CRICTL)} images -o json"
LIST_SECONDS = 120.0
DROP_IN = CONFIG.replace("50-edge-lab", "90-edge-lab-test")
"""Read after the lab's file; it is on the node's disk, and stays there over a reboot."""
UNCLEAN = "unclean shutdown"
"""CRI-O's words when it looks at its storage after a stop in which it wrote nothing
(internal/lib/container_server.go of 1.34)."""
JOURNAL = f"journalctl -b -q -o cat --no-pager -u {CRI_O.unit} | grep -F '{UNCLEAN}' || true"


def parse_images(text: str) -> frozenset[str]:
    """The names of images, of crictl's list as JSON.

    Raises:
        LabError: it is none.
    """
    try:
        images = json.loads(text)["images"] or ()
        return frozenset(str(tag) for image in images for tag in image.get("repoTags") or ())
    except (ValueError, KeyError, TypeError, AttributeError) as trouble:
        raise LabError(f"crictl listed no images: {text[:120]!r}") from trouble


def images_of(node: LabNode) -> frozenset[str]:
    """The names of the images that CRI-O has; LabError while it does not answer."""
    return parse_images(node.output(LIST, seconds=LIST_SECONDS))


def said_of_storage(node: LabNode) -> str:
    """CRI-O's messages about an unclean stop before this boot; empty if there is none."""
    return node.output(JOURNAL)


@contextlib.contextmanager
def with_setting(node: LabNode, text: str) -> Iterator[None]:
    """While the block runs, CRI-O has further settings (TOML); none if empty."""
    if not text:
        yield
        return
    again = f"systemctl restart {CRI_O.unit}"
    try:  # they may be there even if the response came too late
        # On the disk, in case of a loss of power.
        write = f"printf %s {shlex.quote(text)} > {DROP_IN} && sync {DROP_IN} && sync -f {DROP_IN}"
        node.output(f"{write} && {again}", seconds=180)
        yield
    finally:
        node.output(f"rm -f {DROP_IN}; {again}", seconds=180)
