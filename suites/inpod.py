"""Commands in pods, over the management path, which also work while the node is cut off."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edge_lab.provisioning.cri import CriRuntime

NO_POD = 125
"""Exit status where the pod has no running container."""

_SCRIPT = f"""
for folder in @STATES@; do
  spec=$folder/config.json
  grep -sqE '"@KIND@": ?"container"' $spec || continue
  grep -qE '"@NAME@": ?"@POD@"' $spec || continue
  pid=$(cat $folder/@PID_FILE@) && [ -d /proc/$pid ] || continue
@JOIN@  exec nsenter --target $pid --mount --net -- @COMMAND@
done
exit {NO_POD}
"""
"""The first running container of the pod."""

_JOIN = f"""\
  echo $$ > /sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$pid/cgroup)/cgroup.procs || exit {NO_POD}
"""


def in_pod(
    runtime: CriRuntime, pod: str, command: Sequence[str], *, in_its_group: bool = False
) -> str:
    """The shell command for a node with that container runtime that runs `command` in the
    namespaces of a pod; with `in_its_group` also in its control group, by which agents of the node
    identify the pod."""
    return (
        _SCRIPT.replace("@STATES@", runtime.states)
        .replace("@KIND@", runtime.annotations.kind)
        .replace("@NAME@", runtime.annotations.name)
        .replace("@PID_FILE@", runtime.pid_file)
        .replace("@POD@", pod)
        .replace("@JOIN@", _JOIN if in_its_group else "")
        .replace("@COMMAND@", shlex.join(command))
    )
