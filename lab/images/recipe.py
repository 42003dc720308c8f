"""The recipe of a root disk, as data: images/root/recipe.yaml and the folders beside it.

The digest of all inputs for one architecture is the image's name in the cache: equal recipes are
built once, and a changed value, file or format number gives a new image.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from edge_lab.core.errors import InputError
from edge_lab.data import IMAGES
from edge_lab.images.assembly import FORMAT, assembly_key
from edge_lab.topology import Arch
from edge_lab.topology.load import line_of

ROOT = IMAGES / "root"
"""The folder of the recipe that is shipped with edge-lab."""

RECIPE = "recipe.yaml"
INITRAMFS = "initramfs"
"""The folder with `init`, the first program of a guest."""

_M = TypeVar("_M", bound=BaseModel)

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_FIRST_UNPRIVILEGED_ID = 100


def _is_package(name: str) -> str:
    if not _PACKAGE.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a Debian package")
    return name


def _is_absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/") or path == "/":
        raise ValueError(f"{path!r} is not an absolute path in a guest")
    return path


def _is_pattern(pattern: str) -> str:
    if pattern.startswith("/") or ".." in pattern.split("/") or not pattern.strip("*/"):
        raise ValueError(f"{pattern!r} must be a path below the root disk, without / at its start")
    return pattern


def _is_folder(name: str) -> str:
    if "/" in name or name in ("", ".", "..", INITRAMFS):
        raise ValueError(f"{name!r} is not a folder beside the recipe")
    return name


Package = Annotated[str, AfterValidator(_is_package)]
GuestPath = Annotated[str, AfterValidator(_is_absolute)]
Pattern = Annotated[str, AfterValidator(_is_pattern)]
Folder = Annotated[str, AfterValidator(_is_folder)]
SystemId = Annotated[int, Field(ge=_FIRST_UNPRIVILEGED_ID, le=999)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class User(_Model):
    """A system account. Without `group` it has a group with the same name and number."""

    name: str = Field(pattern=r"^[a-z_][a-z0-9_-]*$")
    id: SystemId
    group: str = ""
    comment: str = Field("", pattern=r"^[^:\n]*$")
    home: str = Field("/nonexistent", pattern=r"^/[^:\n]*$")


class Group(_Model):
    name: str = Field(pattern=r"^[a-z_][a-z0-9_-]*$")
    id: SystemId


class ArchRecipe(_Model):
    """Settings for one architecture."""

    suite: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    kernel: Package
    packages: tuple[Package, ...] = ()
    files: tuple[Folder, ...] = Field(min_length=1)
    check_valid_until: bool = True
    """Whether an expired Release file is an error. Its signature is always verified."""


class Variant(_Model):
    """Additions to the images of some labs."""

    keep_modules: tuple[Pattern, ...] = ()
    packages: dict[Arch, tuple[Package, ...]] = Field(default_factory=dict)
    groups: tuple[Group, ...] = ()


class Recipe(_Model):
    """The content of images/root/recipe.yaml, which is explained by its comments."""

    mirror: str = Field(pattern=r"^https?://[^\s]+$")
    disk: int = Field(ge=1024, le=65536)
    """Size of the disk in MiB."""
    packages: tuple[Package, ...]
    architectures: dict[Arch, ArchRecipe]
    modules: tuple[str, ...]
    """Kernel modules that are loaded in the initial RAM disk."""
    keep_modules: tuple[Pattern, ...]
    """Glob patterns below the kernel's folder; others are removed unless they are dependencies."""
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    enable: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """systemd units by the target that wants them."""
    links: dict[GuestPath, str] = Field(default_factory=dict)
    """Symbolic links: path and target."""
    directories: tuple[GuestPath, ...] = ()
    remove: tuple[Pattern, ...] = ()
    """Glob patterns below the root disk of files to remove; a pattern may match nothing."""
    variants: dict[str, Variant] = Field(default_factory=dict, exclude=True)
    """By name. They are excluded from a recipe's digest; the digest of a variant differs by its
    additions."""

    @model_validator(mode="after")
    def _ids_are_used_once(self) -> Recipe:
        for kind, known in (("users", self.users), ("groups", self.groups)):
            seen: set[int | str] = set()
            for account in known:
                if account.id in seen or account.name in seen:
                    raise ValueError(f"{kind}: {account.name} ({account.id}) is listed twice")
                seen |= {account.id, account.name}
        return self

    def variant(self, name: str) -> Recipe:
        """The recipe with the additions of the variant; unchanged if `name` is empty.

        Raises:
            KeyError: the variant is unknown.
        """
        if not name:
            return self
        added = self.variants[name]
        architectures = {
            arch: ours.model_copy(
                update={"packages": (*ours.packages, *added.packages.get(arch, ()))}
            )
            for arch, ours in self.architectures.items()
        }
        return self.model_copy(
            update={
                "architectures": architectures,
                "keep_modules": (*self.keep_modules, *added.keep_modules),
                "groups": (*self.groups, *added.groups),
            }
        )

    def packages_for(self, arch: Arch) -> tuple[str, ...]:
        """All packages of `arch` by name, sorted, without Debian's essential ones."""
        ours = self.architectures[arch]
        return tuple(sorted({*self.packages, *ours.packages, ours.kernel}))


def load_recipe(folder: Path = ROOT) -> Recipe:
    """The recipe in `folder`.

    Raises:
        InputError: it is missing, not YAML, or invalid; the message has the file and the
            line.
    """
    file = folder / RECIPE
    recipe, tree = read_model(file, Recipe)
    for arch, ours in recipe.architectures.items():
        for index, name in enumerate(ours.files):
            if not (folder / name).is_dir():
                raise InputError(
                    f"there is no folder {name} beside the recipe",
                    file=file,
                    line=line_of(tree, ("architectures", arch.value, "files", index)),
                )
    return recipe


def read_model(file: Path, model: type[_M]) -> tuple[_M, CommentedMap]:
    """The YAML in `file` as a `model`, and as a tree with line numbers.

    Raises:
        InputError: it cannot be read, is not YAML, or does not match the model; the
            message has the file and the line.
    """
    try:
        tree: Any = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except OSError as trouble:
        raise InputError(f"cannot read the recipe: {trouble.strerror}", file=file) from trouble
    except MarkedYAMLError as trouble:
        mark = trouble.problem_mark
        raise InputError(
            f"not valid YAML: {trouble.problem}", file=file, line=mark.line + 1 if mark else 0
        ) from trouble
    if not isinstance(tree, CommentedMap):
        keys = ", ".join(f"{key}:" for key in model.model_fields)
        raise InputError(f"a recipe must be a mapping ({keys})", file=file, line=1)
    try:
        return model.model_validate(tree), tree
    except ValidationError as trouble:
        # A misspelt key is also reported as missing; show the misspelling.
        first = min(trouble.errors(), key=lambda error: error["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"])
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise InputError(
            f"{where}: {what}" if where else what, file=file, line=line_of(tree, first["loc"])
        ) from trouble


@dataclass(frozen=True)
class RecipeFile:
    """One file that is put into the image."""

    source: Path
    path: str
    """Path in the guest, without the leading /."""

    @property
    def mode(self) -> int:
        """By its first two bytes: modes in a checkout or a wheel are not reliable."""
        with self.source.open("rb") as stream:
            return 0o755 if stream.read(2) == b"#!" else 0o644


def recipe_files(recipe: Recipe, arch: Arch, folder: Path = ROOT) -> tuple[RecipeFile, ...]:
    """The files of `arch`'s folders by path; later folders take precedence."""
    found: dict[str, RecipeFile] = {}
    for name in recipe.architectures[arch].files:
        base = folder / name
        for source in sorted(base.rglob("*")):
            if source.is_file():
                path = source.relative_to(base).as_posix()
                found[path] = RecipeFile(source, path)
    return tuple(found[path] for path in sorted(found))


def recipe_digest(recipe: Recipe, arch: Arch, folder: Path = ROOT, number: int = FORMAT) -> str:
    """Hex SHA-256 of all inputs of `arch`'s image, assembled in format `number`."""
    ours = recipe.model_copy(update={"architectures": {arch: recipe.architectures[arch]}})
    whole = hashlib.sha256(ours.model_dump_json().encode())
    parts = [(file.path, file.source) for file in recipe_files(recipe, arch, folder)]
    parts += [(f"{INITRAMFS}/init", folder / INITRAMFS / "init")]
    for name, source in parts:
        whole.update(f"\n{name} {hashlib.sha256(source.read_bytes()).hexdigest()}".encode())
    whole.update(assembly_key(number).encode())
    return whole.hexdigest()
