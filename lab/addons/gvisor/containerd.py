"""containerd's configuration on nodes with gVisor: that of the root image, with one more runtime.

Always the whole file: containerd does not merge runtimes of several files
(edge_lab.addons.containerd).
"""

from __future__ import annotations

import tomllib

from edge_lab.addons.containerd import CONFIG, root_config
from edge_lab.addons.gvisor.names import EDGE_RUNSC, HANDLER, RUNSC, RUNSC_SHIM
from edge_lab.core.errors import LabError
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Arch

_PROGRAMS = PAYLOAD_MOUNT / "bin"
SHIM_CONFIG = "/etc/containerd/runsc.toml"
"""The configuration of gVisor's own shim."""

TIMEOUT = "60s"
"""Instead of 2 s to 5 s: each call of an OCI runtime starts runsc, a program of 30 MB, which takes
longer on a busy emulated node. A call that times out leaves mounts and cgroups behind."""
_TIMEOUTS = (
    "io.containerd.timeout.shim.cleanup",
    "io.containerd.timeout.shim.load",
    "io.containerd.timeout.shim.shutdown",
    "io.containerd.timeout.task.state",
)

_RUNTIMES = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes'
_DEFAULT = 'default_runtime_name = "{}"'


def behind_runc_shim() -> str:
    """The runtime: Debian's runsc behind the shim for runc, by `edge-runsc`."""
    return (
        f"    [{_RUNTIMES}.{HANDLER}]\n"
        '      runtime_type = "io.containerd.runc.v2"\n\n'
        f"      [{_RUNTIMES}.{HANDLER}.options]\n"
        f'        BinaryName = "{_PROGRAMS / EDGE_RUNSC}"\n'
        "        SystemdCgroup = false\n"
    )


def own_shim() -> str:
    """The runtime: gVisor's own shim. Source: its guide for containerd,
    https://gvisor.dev/docs/user_guide/containerd/configuration/."""
    return (
        f"    [{_RUNTIMES}.{HANDLER}]\n"
        '      runtime_type = "io.containerd.runsc.v1"\n'
        f'      runtime_path = "{_PROGRAMS / RUNSC_SHIM}"\n'
        '      pod_annotations = ["dev.gvisor.*"]\n\n'
        f"      [{_RUNTIMES}.{HANDLER}.options]\n"
        '        TypeUrl = "io.containerd.runsc.v1.options"\n'
        f'        ConfigPath = "{SHIM_CONFIG}"\n'
    )


def shim_config() -> str:
    """The file that `ConfigPath` of `own_shim` names."""
    return f'binary_name = "{_PROGRAMS / RUNSC}"\n\n[runsc_config]\n  platform = "systrap"\n'


def containerd_config(arch: Arch, runtime: str, *, default: bool) -> str:
    """config.toml of a node of `arch` with that runtime; with `default`, gVisor is the default
    runtime.

    Raises:
        LabError: a runtime cannot be added to the root image's file.
    """
    text = root_config(arch)
    if f"[{_RUNTIMES}.runc]" not in text or text.count(_DEFAULT.format("runc")) != 1:
        raise LabError(f"{CONFIG} of the {arch.value} root image has no runtime runc as default")
    if default:
        text = text.replace(_DEFAULT.format("runc"), _DEFAULT.format(HANDLER))
    whole = f"{text}\n{runtime}\n[timeouts]\n" + "".join(
        f'  "{name}" = "{TIMEOUT}"\n' for name in _TIMEOUTS
    )
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError as trouble:
        raise LabError(
            f"{CONFIG} of the {arch.value} root image cannot have a runtime {HANDLER}: {trouble}"
        ) from trouble
    return whole
