"""containerd's configuration in the root images, and the changes of add-ons.

Always the whole file, since containerd 1.7 does not merge within a plugin: a table of a later file
replaces that of an earlier one. So two add-ons that change it must change the same text.
"""

from __future__ import annotations

import tomllib

from edge_lab.core.errors import LabError
from edge_lab.images.recipe import load_recipe, recipe_files
from edge_lab.topology import Arch

CONFIG = "/etc/containerd/config.toml"

_PLUGINS = ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri")
"""The plugin that pulls images, in containerd 2 and 1.7."""


def root_config(arch: Arch) -> str:
    """The file in the root image of `arch`.

    Raises:
        LabError: there is none.
    """
    for file in recipe_files(load_recipe(), arch):
        if f"/{file.path}" == CONFIG:
            return file.source.read_text(encoding="utf-8")
    raise LabError(f"the {arch.value} root image has no {CONFIG}")


def with_certs_d(config: str, folder: str) -> str:
    """`config` with `folder` as the folder of registry hosts.

    Raises:
        LabError: it has no plugin that pulls images, or already has such a folder.
    """
    plugin = next((name for name in _PLUGINS if f'[plugins."{name}"]' in config), None)
    if plugin is None:
        raise LabError(f"{CONFIG} has no plugin that pulls images")
    whole = f'{config}\n[plugins."{plugin}".registry]\n  config_path = "{folder}"\n'
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError as trouble:
        raise LabError(f"{CONFIG} cannot have a folder of registries: {trouble}") from trouble
    return whole
