"""CRI-O's configuration, and that of the libraries that it shares with skopeo.

Sources: crio.conf(5) of CRI-O 1.34, containers-storage.conf(5), containers-registries.conf(5),
containers-policy.json(5). What is not set has CRI-O's default.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from edge_lab.addons.crio.names import CONMON, PINNS, STORAGE, program
from edge_lab.core.yamltext import yaml_text
from edge_lab.images import PAUSE
from edge_lab.provisioning import cri
from edge_lab.stacks.node import CNI_CONFIG

DRIVER = "overlay"
RUN_ROOT = str(PurePosixPath(cri.CONTAINERS).parent)
RUNC = "/usr/sbin/runc"
CRICTL_SECONDS = 60
"""For one call, in an emulated guest."""


def crio_config() -> str:
    """A file of crio.conf.d, as TOML: cgroups, OCI runtime, sandboxes and CNI as in the
    configuration of containerd in the root images."""
    return f"""\
[crio]
storage_driver = "{DRIVER}"
root = "{STORAGE}"
runroot = "{RUN_ROOT}"

[crio.api]
listen = "{cri.CRI_O.socket}"

[crio.runtime]
cgroup_manager = "cgroupfs"
default_runtime = "runc"
pinns_path = "{program(PINNS)}"
# Nodes have no apparmor_parser; containerd does without profiles there too.
apparmor_profile = "unconfined"

[crio.runtime.runtimes.runc]
runtime_type = "oci"
runtime_path = "{RUNC}"
runtime_root = "/run/runc"
monitor_path = "{program(CONMON)}"
monitor_cgroup = "pod"

[crio.image]
pause_image = "{PAUSE}"
# Empty: that of the image.
pause_command = ""
pinned_images = ["{PAUSE}"]

[crio.network]
network_dir = "{PurePosixPath(CNI_CONFIG).parent}"
plugin_dirs = ["/usr/lib/cni"]

[crio.nri]
enable_nri = false
"""


def storage_config() -> str:
    """The storage of CRI-O and skopeo, as TOML."""
    return f'[storage]\ndriver = "{DRIVER}"\ngraphroot = "{STORAGE}"\nrunroot = "{RUN_ROOT}"\n'


def registries_config() -> str:
    """No registry for names of images without one, as TOML."""
    return "unqualified-search-registries = []\n"


def policy() -> str:
    """Signatures of images are not required, as with containerd."""
    return json.dumps({"default": [{"type": "insecureAcceptAnything"}]}) + "\n"


def crictl_config() -> str:
    """How crictl connects, as YAML."""
    return yaml_text(
        {
            "runtime-endpoint": cri.CRI_O.endpoint,
            "image-endpoint": cri.CRI_O.endpoint,
            "timeout": CRICTL_SECONDS,
        }
    )
