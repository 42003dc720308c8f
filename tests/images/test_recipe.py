"""The recipe of the root disks: what it may say, and what of it makes another image."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_lab.core.errors import InputError
from edge_lab.images.accounts import write_accounts
from edge_lab.images.assemble import Plan
from edge_lab.images.assembly import FORMAT
from edge_lab.images.recipe import ROOT, load_recipe, recipe_digest, recipe_files
from edge_lab.images.root import image_digest
from edge_lab.topology import Arch


@pytest.fixture
def recipe_folder(tmp_path: Path) -> Path:
    """A copy of the shipped recipe that a test may spoil."""
    return Path(shutil.copytree(ROOT, tmp_path / "root"))


def spoil(folder: Path, old: str, new: str) -> int:
    """Replaces `old` in the recipe once; returns the line it was on."""
    file = folder / "recipe.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_shipped_recipe_is_one_for_every_architecture() -> None:
    recipe = load_recipe()
    assert set(recipe.architectures) == set(Arch)
    assert "containerd" in recipe.packages_for(Arch.RISCV64)
    assert "runsc" in recipe.packages_for(Arch.AARCH64)
    assert "runsc" not in recipe.packages_for(Arch.RISCV64)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("disk: 8192", "disk: big", "disk"),
        ("disk: 8192", "dsik: 8192", "unknown key"),
        ("  - socat", "  - so cat", "not the name of a Debian package"),
        ("suite: trixie", "suite: ../trixie", "suite"),
        ("  - etc/update-motd.d", "  - /etc/update-motd.d", "without / at its start"),
        ("  - etc/update-motd.d", "  - '*'", "below the root disk"),
        ("  - /etc/cni/net.d", "  - etc/cni/net.d", "not an absolute path"),
        ("files: [common, containerd-2]", "files: [common, nowhere]", "no folder nowhere"),
        ("files: [common, containerd-2]", "files: [../common]", "not a folder beside"),
        ("id: 998", "id: 0", "greater than or equal to 100"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(
    recipe_folder: Path, old: str, new: str, says: str
) -> None:
    line = spoil(recipe_folder, old, new)
    with pytest.raises(InputError, match=says) as caught:
        load_recipe(recipe_folder)
    assert caught.value.file == str(recipe_folder / "recipe.yaml")
    assert caught.value.line == line


def test_two_accounts_with_one_number_are_a_mistake(recipe_folder: Path) -> None:
    spoil(recipe_folder, "id: 997", "id: 998")
    with pytest.raises(InputError, match="twice"):
        load_recipe(recipe_folder)


def test_what_is_no_yaml_is_told_with_its_line(recipe_folder: Path) -> None:
    (recipe_folder / "recipe.yaml").write_text("mirror: http://a\npackages: [a, b\ndisk: 1024\n")
    with pytest.raises(InputError, match="not valid YAML") as caught:
        load_recipe(recipe_folder)
    assert caught.value.line >= 2


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n"])
def test_what_is_no_mapping_is_no_recipe(recipe_folder: Path, text: str) -> None:
    (recipe_folder / "recipe.yaml").write_text(text)
    with pytest.raises(InputError, match="a recipe must be a mapping"):
        load_recipe(recipe_folder)


def test_a_missing_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the recipe"):
        load_recipe(tmp_path)


def digest(folder: Path, arch: Arch = Arch.X86_64, number: int = FORMAT) -> str:
    return recipe_digest(load_recipe(folder), arch, folder, number)


def test_equal_recipes_have_equal_digests(recipe_folder: Path) -> None:
    assert digest(recipe_folder) == digest(ROOT)
    assert image_digest(Arch.X86_64) == image_digest(Arch.X86_64)
    assert len({image_digest(arch) for arch in Arch}) == len(Arch)


@pytest.mark.parametrize(
    "changed", ["common/etc/nsswitch.conf", "containerd-1.7/etc/containerd/config.toml"]
)
def test_a_changed_file_makes_another_image(recipe_folder: Path, changed: str) -> None:
    before = digest(recipe_folder)
    with (recipe_folder / changed).open("a") as file:
        file.write("# changed\n")
    assert digest(recipe_folder) != before


def test_a_new_file_makes_another_image(recipe_folder: Path) -> None:
    before = digest(recipe_folder)
    (recipe_folder / "common/etc/new").write_text("new\n")
    assert digest(recipe_folder) != before


def test_a_changed_first_program_makes_another_image(recipe_folder: Path) -> None:
    before = digest(recipe_folder)
    with (recipe_folder / "initramfs/init").open("a") as file:
        file.write("# changed\n")
    assert digest(recipe_folder) != before


def test_another_format_makes_another_image() -> None:
    digests = {digest(ROOT, number=number) for number in (FORMAT, FORMAT + 1, FORMAT + 2)}
    assert len(digests) == 3


def test_what_concerns_one_architecture_leaves_the_others_alone(recipe_folder: Path) -> None:
    before = {arch: digest(recipe_folder, arch) for arch in Arch}
    spoil(recipe_folder, "suite: forky", "suite: duke")
    with (recipe_folder / "containerd-2/etc/containerd/config.toml").open("a") as file:
        file.write("# changed\n")
    after = {arch: digest(recipe_folder, arch) for arch in Arch}
    assert [arch for arch in Arch if before[arch] != after[arch]] == [Arch.RISCV64]


def test_comments_of_the_recipe_make_no_other_image(recipe_folder: Path) -> None:
    before = digest(recipe_folder)
    with (recipe_folder / "recipe.yaml").open("a") as file:
        file.write("# a comment\n")
    assert digest(recipe_folder) == before


def test_a_later_folder_hides_files_of_an_earlier_one(recipe_folder: Path) -> None:
    hiding = recipe_folder / "containerd-1.7/etc/hosts"
    hiding.write_text("#\n")
    files = recipe_files(load_recipe(recipe_folder), Arch.X86_64, recipe_folder)
    assert [file.source for file in files if file.path == "etc/hosts"] == [hiding]


def test_scripts_are_executable_and_nothing_else_is() -> None:
    files = {file.path: file.mode for file in recipe_files(load_recipe(), Arch.X86_64)}
    assert files["usr/local/lib/edge-lab/import-images"] == 0o755
    assert files["etc/containerd/config.toml"] == 0o644


def test_every_enabled_unit_of_ours_is_among_the_files() -> None:
    recipe = load_recipe()
    units = {unit for units in recipe.enable.values() for unit in units if "edge-lab" in unit}
    files = {file.path for file in recipe_files(recipe, Arch.RISCV64)}
    assert units <= {Path(path).name for path in files if path.startswith("etc/systemd/system/")}


def fake_root(folder: Path, sysusers: str = "") -> Path:
    base = folder / "usr/share/base-passwd"
    base.mkdir(parents=True)
    (folder / "etc").mkdir()
    (base / "passwd.master").write_text("root:*:0:0:root:/root:/bin/bash\n")
    (base / "group.master").write_text("root:*:0:\nnogroup:*:65534:\n")
    (folder / "usr/lib/sysusers.d").mkdir(parents=True)
    (folder / "usr/lib/sysusers.d/a.conf").write_text(sysusers)
    return folder


def test_accounts_are_debians_and_the_recipes_and_none_has_a_password(tmp_path: Path) -> None:
    root = fake_root(tmp_path, "# a comment\nu! systemd-network - -\ng kvm -\nm a b\n")
    write_accounts(root, load_recipe())
    passwd = (root / "etc/passwd").read_text().splitlines()
    assert passwd[0] == "root:x:0:0:root:/root:/bin/bash"
    assert "sshd:x:996:65534:sshd user:/run/sshd:/usr/sbin/nologin" in passwd
    shadow = (root / "etc/shadow").read_text().splitlines()
    assert {line.split(":")[1] for line in shadow} == {"*"}
    assert [line.split(":")[0] for line in shadow] == [line.split(":")[0] for line in passwd]
    assert (root / "etc/shadow").stat().st_mode & 0o777 == 0o600


def test_an_account_that_a_package_wants_and_the_recipe_lacks_is_told(tmp_path: Path) -> None:
    root = fake_root(tmp_path, "u newcomer - -\n")
    with pytest.raises(Exception, match="newcomer"):
        write_accounts(root, load_recipe())


def test_a_plan_survives_its_way_to_the_helper(tmp_path: Path) -> None:
    plan = Plan(
        arch=Arch.AARCH64,
        folder=ROOT,
        scratch=tmp_path,
        result=tmp_path,
        mirror="http://a/b",
        apt_options=('Acquire::http::Proxy "http://c:1"',),
    )
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
