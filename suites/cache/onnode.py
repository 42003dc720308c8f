"""Operations on an edge node over the management path, which also works while it is offline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.cache.content import IMAGES, PROGRAM_PATH, DataSet, LabImage
from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE_PORT,
    CACHE_UNIT,
    CERTS_D,
    DATA_PORT,
    REGISTRY_NAME,
    STATE,
)
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.provisioning.cri import TASKS
from suites.cache.judging import Read

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

CTR = "ctr --namespace k8s.io"
COMMAND_SECONDS = 90.0
TIMED_OUT = 124
"""Exit status of timeout(1)."""
PULL_SECONDS = 300.0
PULL_UNIT = "edge-lab-pull"

CHECK = "edge-lab-check"
"""Begin of the id of a container that checks an image."""
USAGE = 2
"""Exit status of the images' program after a wrong command line."""
SNAPSHOTS = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"
"""Folder with containerd's unpacked layers."""

_CONTAINER = f"""
for folder in {TASKS}/*/; do
  spec=$folder/config.json
  grep -q '"io.kubernetes.cri.container-type":"container"' $spec || continue
  grep -q '"io.kubernetes.cri.sandbox-name":"@POD@"' $spec || continue
  pid=$(cat $folder/init.pid) && [ "$(readlink /proc/$pid/exe)" = @PROGRAM@ ] || continue
  @COMMAND@
  exit 0
done
"""
_READ = """
import hashlib, json, ssl, sys, time, urllib.request
url, count, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3]
trust = ssl.create_default_context(cafile=authority) if url.startswith("https") else None
for _ in range(count):
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=120, context=trust) as answer:
        content, cache = answer.read(), answer.headers.get("X-Cache", "")
    took = (time.monotonic() - began) * 1000
    print(json.dumps([hashlib.sha256(content).hexdigest(), took, cache]), flush=True)
"""
_ASK = """
import contextlib, hashlib, sys, urllib.error, urllib.request
count, digest = 0, hashlib.sha256()
try:
    with urllib.request.urlopen(sys.argv[1], timeout=120) as answer:
        with contextlib.suppress(ConnectionError):  # it ended early
            while piece := answer.read(65536):
                count += len(piece)
                digest.update(piece)
        print(answer.status, count, "sha256:" + digest.hexdigest())
except urllib.error.HTTPError as trouble:
    print(trouble.code, 0, "-")
"""
_DAMAGE = """
import sys
from pathlib import Path
folder, digest, how = sys.argv[1:]
done = 0
for path in Path(folder).rglob("*"):
    if not path.is_file():
        continue
    content = bytearray(path.read_bytes())
    if digest.encode() in content[:4096] and len(content) > 500_000:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if how == "poisoned" else content[: len(content) // 2])
        done += 1
print(done)
"""


def _for_container(pod: str, command: str) -> str:
    script = _CONTAINER.replace("@POD@", pod).replace("@PROGRAM@", PROGRAM_PATH)
    return script.replace("@COMMAND@", command)


@dataclass(frozen=True)
class CacheNode:
    """An edge node with a cache."""

    lab: Lab
    name: str
    limit: TimeLimit

    def run(self, command: str, *, seconds: float = COMMAND_SECONDS) -> str:
        return self.lab.machine(self.name).run(command, self.limit(seconds)).stdout.strip()

    def succeeds(self, command: str, *, seconds: float = COMMAND_SECONDS) -> bool:
        done = self.lab.machine(self.name).run(command, self.limit(seconds), check=False)
        return done.returncode == 0

    def python(self, script: str, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        return self.run(f"python3 -I -c {shlex.join((script, *words))}", seconds=seconds)

    # -- containers --------------------------------------------------------------------------

    def container(self, pod: str) -> str:
        """The id of the pod's container whose process executes the image's program; empty if there
        is none: a container with a damaged program ends soon after its start."""
        return self.run(_for_container(pod, "basename $folder"))

    def kill(self, pod: str) -> str:
        """Kills the pod's container, like a crash; returns its id."""
        before = self.container(pod)
        self.run(_for_container(pod, "kill -KILL $pid"))
        return before

    def program_runs(self, image: LabImage, registry: str = REGISTRY_NAME) -> bool:
        """Whether the program of an image on the node is executed: without arguments it exits with
        2, after a message; if it is damaged, the container ends with 1.

        Raises:
            LabError: containerd does not answer, or does not have the image.
        """
        machine, limit = self.lab.machine(self.name), self.limit(COMMAND_SECONDS)
        command = f"{CTR} run --rm {image.reference(registry)} {CHECK}-$$ {PROGRAM_PATH}"

        def status() -> tuple[int]:
            done = machine.run(command, limit, check=False)
            if done.returncode != USAGE and done.stderr.startswith("ctr:"):
                raise LabError(f"{self.name}: {done.stderr.strip()}")
            return (done.returncode,)

        # After a boot, containerd may not have started yet.
        (found,) = limit.wait_for(f"{image.name} is run", status, transient=(LabError,), every=2.0)
        return found == USAGE

    # -- images ------------------------------------------------------------------------------

    def references(self) -> tuple[str, ...]:
        """References of all images on the node."""
        return tuple(self.run(f"{CTR} images ls -q").split())

    def pull_command(self, image: LabImage, registry: str = REGISTRY_NAME) -> str:
        return f"{CTR} images pull --hosts-dir {CERTS_D} {image.reference(registry)}"

    def pull(
        self, image: LabImage, *, registry: str = REGISTRY_NAME, seconds: float = PULL_SECONDS
    ) -> str:
        """Pulls it; returns the error, or nothing."""
        machine = self.lab.machine(self.name)
        pull = (
            f"timeout {round(self.limit(seconds).remaining)} {self.pull_command(image, registry)}"
        )
        # A pull that was ended leaves its lease, which keeps what it has for a day.
        removal = f"{CTR} leases ls -q | xargs -r {CTR} leases rm"
        command = f"{pull}; done=$?; [ $done != {TIMED_OUT} ] || {{ {removal}; }} >&2; exit $done"
        done = machine.run(command, self.limit(seconds + COMMAND_SECONDS), check=False)
        return "" if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"

    def begin_pull(self, image: LabImage) -> None:
        """Pulls it in a separate unit, in the background."""
        self.run(f"systemctl reset-failed {PULL_UNIT} 2>/dev/null; true")
        self.run(f"systemd-run --quiet --unit={PULL_UNIT} {self.pull_command(image)}")

    def pull_has_ended(self) -> bool:
        return not self.succeeds(f"systemctl is-active --quiet {PULL_UNIT}")

    def end_pull(self) -> None:
        """Ends the pull if it is still in progress."""
        self.run(f"systemctl stop {PULL_UNIT} 2>/dev/null; true")

    def forget(self, image: LabImage) -> None:
        """Removes it from the container runtime, under all names; the cache keeps it.

        Raises:
            LabError: the container runtime still has it.
        """
        if names := self._names(image):
            self.run(f"{CTR} images rm --sync {shlex.join(names)}")
            if left := self._names(image):
                raise LabError(f"{self.name}: containerd still has {', '.join(left)}")
        # What a pull has left that was ended.
        self.run(f"{CTR} content rm {image.own_digest} 2>/dev/null; true")

    def _names(self, image: LabImage) -> list[str]:
        """References of the image, and others of the same digest."""
        lines = [line.split() for line in self.run(f"{CTR} images ls").splitlines()[1:]]
        digests = {words[2] for words in lines if f"/{image.name}:" in words[0]}
        return [words[0] for words in lines if words[2] in digests]

    def has(self, image: LabImage) -> bool:
        """Whether the container runtime has the image under the name that pods use."""
        return image.reference(REGISTRY_NAME) in self.references()

    def forget_all(self) -> None:
        """Removes all images of the registry. Layers that no container uses are unpacked again
        with the next pull."""
        for image in IMAGES:
            self.forget(image)

    def programs(self) -> frozenset[str]:
        """Paths of the programs in all unpacked layers, those of the lab's own images too."""
        return frozenset(self.run(f"ls {SNAPSHOTS}/*/fs{PROGRAM_PATH}").split())

    def has_layer(self, image: LabImage) -> bool:
        """Whether the container runtime has the unique layer of an image."""
        return image.own_digest in self.run(f"{CTR} content ls -q").split()

    # -- the cache ---------------------------------------------------------------------------

    def purge(self) -> None:
        """Empties the cache."""
        self.run(
            f"systemctl stop {CACHE_UNIT} && find {STATE} -mindepth 1 -type f -delete && "
            f"systemctl start {CACHE_UNIT}"
        )

    def purge_site(self) -> None:
        """Empties the caches of all edge nodes, as content could also come from a neighbour."""
        self.purge()
        self.purge_neighbours()

    def purge_neighbours(self) -> None:
        """Empties the caches of all other edge nodes."""
        for edge in self.lab.topology.edges:
            if edge.name != self.name:
                CacheNode(self.lab, edge.name, self.limit).purge()

    def restart_cache(self) -> None:
        self.run(f"systemctl restart {CACHE_UNIT}")

    def held(self, store: str) -> int:
        """Size of a store of the cache, bytes."""
        sizes = f"find {STATE}/{store} -type f -printf '%s\\n' 2>/dev/null"
        return int(self.run(f"{sizes} | awk '{{n += $1}} END {{print n + 0}}'"))

    def cached_parts(self, image: LabImage) -> int:
        """Number of files of the cache with parts of its unique layer."""
        key = f"KEY: {image.own_digest}"
        return int(self.run(f"grep -rlaF {shlex.quote(key)} {STATE}/images | wc -l"))

    def damage(self, image: LabImage, how: str) -> int:
        """Corrupts or truncates the cached parts of its unique layer; returns their number."""
        return int(self.python(_DAMAGE, f"{STATE}/images", image.own_digest, how))

    def ask(self, path: str) -> tuple[int, int]:
        """HTTP status and body size of the cache's response at `path`."""
        status, count, _ = self._answer(path)
        return status, count

    def ask_layer(self, image: LabImage) -> tuple[int, int, str]:
        """Status, body size and digest of the cache's response with the unique layer of an
        image."""
        return self._answer(f"/v2/{image.name}/blobs/{image.own_digest}")

    def digest_of_layer(self, image: LabImage) -> str:
        """The digest of what the cache returns as the unique layer of an image."""
        return self.ask_layer(image)[2]

    def _answer(self, path: str) -> tuple[int, int, str]:
        """Status, size and digest; the digest of an error is `-`."""
        url = f"http://127.0.0.1:{CACHE_PORT}{path}"
        status, count, digest = self.python(_ASK, url, seconds=PULL_SECONDS).split()
        return int(status), int(count), digest

    # -- data --------------------------------------------------------------------------------

    def read(self, data: DataSet, count: int, *, direct: bool = False) -> list[Read]:
        """Reads it several times, through the cache or `direct`ly over the uplink."""
        server = self.lab.topology.cluster_link(self.lab.topology.server.name).address
        base = f"https://{server}:{DATA_PORT}" if direct else f"http://127.0.0.1:{CACHE_PORT}"
        words = (f"{base}{data.path}", str(count), AUTHORITY)
        said = self.python(_READ, *words, seconds=PULL_SECONDS)
        return [Read(*json.loads(line)) for line in said.splitlines()]

    # -- evidence ----------------------------------------------------------------------------

    def now(self) -> str:
        """For `said_of`."""
        return self.run("date +%s")

    def said_of(self, reference: str, since: str) -> str:
        """The first error messages of kubelet and container runtime about the image since then:
        later ones only report the back-off, without the cause."""
        command = (
            f"journalctl -o cat --since=@{since} | grep -F {shlex.quote(reference)} | "
            "grep -iE 'fail|error|back-?off' | grep -v 'level=info' | head -n 3 | cut -c1-600"
        )
        return self.run(command)

    def received(self, link: str) -> int:
        """Bytes that the node received over one of its links, as counted by the fabric."""
        return self.lab.fabric.link(link).counters.rx.bytes


Nodes = Callable[[str], CacheNode]
"""The fixture `cache_node`: a node by its name."""
