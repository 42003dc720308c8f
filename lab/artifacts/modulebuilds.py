"""Components from Go modules: built, or concatenated from a module's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge_lab.artifacts.cache import ArtifactCache, Origin
from edge_lab.artifacts.ccompiler import compiler_problem
from edge_lab.artifacts.gofiles import join_files, pinned_sum
from edge_lab.artifacts.gomodules import (
    BuildFailed,
    GoBuilder,
    GoModule,
    Toolchain,
    build_flags,
    module_digest,
)
from edge_lab.artifacts.goversions import demanded_by, go_remedy, go_version, version_text
from edge_lab.artifacts.model import Artifact, CannotBuild, Component, Refusal, Want
from edge_lab.artifacts.orders import Order
from edge_lab.core.deadline import Deadline
from edge_lab.core.step import step
from edge_lab.topology import Arch

GO_MODULES = "Go modules"


class ModuleBuilds:
    """Builds orders into the cache.

    Go's own caches and the logs of builds are in `home`.
    """

    def __init__(self, cache: ArtifactCache, home: Path) -> None:
        self._cache = cache
        self._home = home

    def refusal(self, order: Order, toolchain: Toolchain | str) -> Refusal | None:
        """Why the order cannot be built here; builds nothing."""
        if order.module is None:
            return Refusal(GO_MODULES, f"{order.component.name} is not built from Go modules")
        if problem := order.module.problem():
            return Refusal(GO_MODULES, problem)
        demanded = demanded_by(order.module.folder / "go.mod")
        if isinstance(toolchain, str):
            return Refusal(GO_MODULES, f"{toolchain}. {go_remedy(demanded)}")
        if (go_version(toolchain.version) or demanded) < demanded:
            return Refusal(
                GO_MODULES,
                f"{toolchain.path} is {toolchain.version}, older than {version_text(demanded)} of "
                f"{order.module.shown}/go.mod. {go_remedy(demanded)}",
            )
        if problem := compiler_problem(order.component.go, order.want.arch):
            return Refusal(GO_MODULES, problem)
        return None

    def build_all(
        self,
        orders: Sequence[Order],
        toolchain: Toolchain,
        refusals: Mapping[Want, list[Refusal]],
        deadline: Deadline,
    ) -> Iterator[dict[Want, Artifact]]:
        """One `go build` for all orders of one module, architecture and set of flags.

        Yields each result as soon as it is available. Files of a module that are only concatenated
        come first, since they take only a moment.

        Raises:
            CannotBuild: a build failed; with `refusals`, those of the sources before it.
        """
        groups: dict[tuple[GoModule, Arch, bool, tuple[str, ...]], list[Order]] = {}
        for order in sorted(orders, key=lambda order: order.component.files is None):
            source = order.component.go
            flags = build_flags(source) if source else ()
            if order.module:
                cgo = source is not None and source.cgo
                group = (order.module, order.want.arch, cgo, flags)
                groups.setdefault(group, []).append(order)
        builder = GoBuilder(toolchain, self._home / "go", self._home / "logs")
        for (module, arch, _, _), group_orders in groups.items():
            make = self._join if group_orders[0].component.files else self._build
            try:
                yield make(module, arch, group_orders, builder, deadline)
            except BuildFailed as trouble:
                for order in group_orders:
                    refusals[order.want].append(Refusal(GO_MODULES, trouble.reason))
                raise CannotBuild(
                    {order.want: refusals[order.want] for order in group_orders}
                ) from trouble

    def _build(
        self,
        module: GoModule,
        arch: Arch,
        orders: Sequence[Order],
        builder: GoBuilder,
        deadline: Deadline,
    ) -> dict[Want, Artifact]:
        components = [order.component for order in orders]
        title = f"build {', '.join(component.name for component in components)} ({arch.value})"
        with step(title) as this, self._cache.scratch() as folder:
            read = [module_digest(module, component.go) for component in components if component.go]
            files = builder.build(module, components, arch, folder, this, deadline)
            if read != [
                module_digest(module, component.go) for component in components if component.go
            ]:
                raise BuildFailed(f"{module.shown} was changed during the build")
            this.progress("checking", 1.0)
            found = {}
            for order, digest in zip(orders, read, strict=True):
                file = files[order.component.name]
                if not file.is_file():
                    raise BuildFailed(f"`go build` made no {file.name}")
                origin = Origin(
                    built_from(order.component, module), digest, builder.toolchain.version
                )
                found[order.want] = self._cache.put(file, order.component, arch, order.key, origin)
            return found

    def _join(
        self,
        module: GoModule,
        arch: Arch,
        orders: Sequence[Order],
        builder: GoBuilder,
        deadline: Deadline,
    ) -> dict[Want, Artifact]:
        """The files of `module` that each order wants, one file for each order."""
        found = {}
        for order in orders:
            component, source = order.component, order.component.files
            assert source is not None
            with step(f"get {component.name}") as this, self._cache.scratch() as folder:
                read = module_digest(module, source)
                pinned = pinned_sum(module, source.upstream, component.version)
                archive = builder.fetch(module, source.upstream, component.version, this, deadline)
                file = folder / "joined"
                join_files(archive, source, component.version, pinned, file)
                if read != module_digest(module, source):
                    raise BuildFailed(f"{module.shown} was changed in the meantime")
                origin = Origin(built_from(component, module), read, builder.toolchain.version)
                found[order.want] = self._cache.put(file, component, arch, order.key, origin)
        return found


def built_from(component: Component, module: GoModule | None) -> str:
    """A description of the module from which the component is built."""
    recipe = component.recipe
    if recipe is None or module is None:
        return ""
    if recipe.local:
        return f"{GO_MODULES}: {module.shown}"
    return f"{GO_MODULES}: {recipe.upstream}@{component.version}"
