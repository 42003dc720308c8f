"""How the lab's images come into CRI-O's storage: by skopeo, from the archive of the payload."""

from __future__ import annotations

import shlex

from edge_lab.addons.crio.names import SKOPEO, STORAGE
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.node import IMPORTED

IMPORT = "/usr/local/lib/edge-lab/import-images"
"""The script of the root image for containerd, which this one replaces on nodes with CRI-O."""
LAYOUT = "/var/lib/edge-lab/image-layout"

_SCRIPT = """\
#!/bin/sh
# Imports each archive of @ARCHIVES@ into CRI-O's storage, once. What is written down as imported
# is on the disk: a power cut at any moment leaves an import that is made again.
set -eu

done=@DONE@
layout=@LAYOUT@
mkdir -p "$done"

for archive in @ARCHIVES@/*.tar; do
	# index.json names everything else in the archive by its digest.
	sum=$(tar -xOf "$archive" index.json | sha256sum)
	mark=$done/${sum%% *}
	if [ -e "$mark" ]; then
		continue
	fi
	# skopeo would unpack the archive anew for each image.
	rm -rf "$layout"
	mkdir -p "$layout"
	tar -xf "$archive" -C "$layout"
	grep -o '"org.opencontainers.image.ref.name":"[^"]*"' "$layout/index.json" |
		cut -d '"' -f 4 >"$layout/references"
	[ -s "$layout/references" ]
	while read -r reference; do
		@SKOPEO@ copy --quiet "oci:$layout:$reference" "containers-storage:$reference" </dev/null
	done <"$layout/references"
	rm -rf "$layout"
	sync -f @STORAGE@
	: >"$mark"
	sync "$mark" "$done"
done
"""


def import_script() -> str:
    """For sh, on a node."""
    parts = {
        "@ARCHIVES@": str(PAYLOAD_MOUNT / "images"),
        "@DONE@": IMPORTED,
        "@LAYOUT@": LAYOUT,
        "@SKOPEO@": shlex.join(SKOPEO.command),
        "@STORAGE@": STORAGE,
    }
    script = _SCRIPT
    for place, text in parts.items():
        script = script.replace(place, text)
    return script
