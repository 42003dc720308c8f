"""Names, ports and paths of the parts of the add-on."""

from __future__ import annotations

from typing import Final

from edge_lab.images import DebianProgram

GITOPS = "gitops"
"""The add-on, and the capability of an edge node that runs what the repository declares."""

GIT_SERVER = "edge-gitserver"
SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER = "source-controller", "kustomize-controller"
SOURCE_CRDS, KUSTOMIZE_CRDS = "source-controller-crds", "kustomize-controller-crds"
"""Components. The units of the first three have their names."""

GIT_UNIT = f"{GIT_SERVER}.service"
SOURCE_UNIT, KUSTOMIZE_UNIT = f"{SOURCE_CONTROLLER}.service", f"{KUSTOMIZE_CONTROLLER}.service"
SERVES = "edge-lab-gitops-serves"
"""The unit of the server node that has started when both controllers work."""
WITNESS = "edge-lab-gitops-witness"
WITNESS_UNIT = f"{WITNESS}.service"

GIT: Final = DebianProgram("git", "usr/bin/git")
GIT_BACKEND: Final = DebianProgram("git", "usr/lib/git-core/git-http-backend")
GIT_REMOTE: Final = DebianProgram("git", "usr/lib/git-core/git-remote-http")
PROGRAMS: Final = (GIT, GIT_BACKEND, GIT_REMOTE)

GIT_PORT = 3443
"""Port of the repositories on the links of the server."""
ARTIFACT_PORT = 9790
"""Port on loopback: source-controller serves what it has fetched."""
SOURCE_METRICS, SOURCE_HEALTH = "127.0.0.1:9791", "127.0.0.1:9792"
KUSTOMIZE_METRICS, KUSTOMIZE_HEALTH = "127.0.0.1:9793", "127.0.0.1:9794"

NAMESPACE = "edge-gitops"
"""Namespace of the fleet's objects, and of Flux's."""
REPOSITORY = "fleet"
BRANCH = "main"
FOLDER = "fleet"
"""Path in the repository that is applied."""
APPLIER = "fleet"
"""The service account that kustomize-controller impersonates to apply."""
GIT_SECRET = "git"  # noqa: S105 - its name
"""Secret with the certificate with which source-controller reads."""

HOME = "/etc/edge-lab-gitops"
STATE = "edge-lab-gitops"
"""Folder of the state of all parts, below /var/lib."""
