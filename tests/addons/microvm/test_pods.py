"""A microVM as a pod: the command line of QEMU, and what the pod around it may do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_lab.addons.hostile.image import HOSTILE_PROGRAM
from edge_lab.addons.hostile.pods import PERMISSION
from edge_lab.addons.microvm.kvm import parse_kvm_report
from edge_lab.addons.microvm.machine import qemu_command
from edge_lab.addons.microvm.names import RESOURCE
from edge_lab.addons.microvm.pods import FOLDER, microvm_attempts_pod, microvm_facts_pod
from edge_lab.addons.microvm.ramdisk import APPLETS, SCRIPT, ramdisk
from edge_lab.bringup.plan import VIRTUALIZATION
from edge_lab.core.errors import LabError
from edge_lab.images.recipe import load_recipe
from edge_lab.topology import Arch, Node


def a_node(arch: Arch = Arch.AARCH64) -> Node:
    return Node(name="edge-arm", arch=arch, role="edge", virtualization=True)


def after(command: tuple[str, ...], flag: str) -> str:
    return command[command.index(flag) + 1]


@pytest.mark.parametrize("arch", list(Arch))
def test_a_microvm_is_on_kvm_and_on_nothing_else(arch: Arch) -> None:
    command = qemu_command(arch, FOLDER, ("facts",))
    assert command[1:3] == ("-accel", "kvm")
    assert command.count("-accel") == 1
    assert after(command, "-cpu") == "host"


@pytest.mark.parametrize("arch", list(Arch))
def test_it_has_no_disk_no_nic_and_no_monitor(arch: Arch) -> None:
    command = qemu_command(arch, FOLDER, ("facts",))
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(command)
    assert not {"-drive", "-blockdev", "-device", "-netdev", "-nic", "-monitor", "-qmp"} & set(
        command
    )
    assert after(command, "-sandbox").startswith("on,")


@pytest.mark.parametrize("arch", list(Arch))
def test_its_program_is_of_the_packages_of_the_root_image(arch: Arch) -> None:
    program = Path(qemu_command(arch, FOLDER, ("facts",))[0])
    packages = load_recipe().variant(VIRTUALIZATION).packages_for(arch)
    (package,) = [name for name in packages if name.startswith("qemu-system-")]
    family = {"x86_64": "x86", "aarch64": "arm", "riscv64": "riscv"}[arch.value]
    assert package == f"qemu-system-{family}"
    assert program.name.startswith(f"qemu-system-{arch.value}")


def test_the_program_is_told_by_the_kernels_command_line() -> None:
    command = qemu_command(Arch.AARCH64, FOLDER, ("attempts", "--seconds", "60"))
    assert after(command, "-append").endswith(" -- attempts --seconds 60")


@pytest.mark.parametrize("word", ["", "two words", 'a"quote', "new\nline"])
def test_what_is_no_word_of_a_command_line_is_refused(word: str) -> None:
    with pytest.raises(LabError):
        qemu_command(Arch.AARCH64, FOLDER, ("facts", word))


def test_the_control_emulates() -> None:
    command = qemu_command(Arch.X86_64, FOLDER, ("facts",), accelerator="tcg")
    assert command[:3] == ("/usr/bin/qemu-system-x86_64", "-accel", "tcg")
    assert "host" not in command


@pytest.mark.parametrize("arch", list(Arch))
def test_the_pod_around_it_is_restricted_and_has_kvm_by_the_plugin(arch: Arch) -> None:
    spec = microvm_facts_pod(a_node(arch)).manifest()["spec"]
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["readOnlyRootFilesystem"] is True
    assert "privileged" not in context
    assert container["resources"]["limits"][RESOURCE] == "1"
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert "/dev/kvm" not in str(spec)
    assert "runtimeClassName" not in spec
    names = [volume["name"] for volume in spec["volumes"]]
    assert names == [mount["name"] for mount in container["volumeMounts"]]


def test_nothing_hostile_is_allowed_in_the_container_itself() -> None:
    (container,) = microvm_attempts_pod(a_node()).manifest()["spec"]["containers"]
    assert PERMISSION[0] not in str(container.get("env", ""))
    assert "/".join(("", HOSTILE_PROGRAM)) not in container["command"]
    assert "=".join(PERMISSION) in SCRIPT.read_text(encoding="utf-8")


def test_facts_are_tagged_with_the_name_of_their_pod() -> None:
    pod = microvm_facts_pod(a_node())
    assert f"--tag {pod.name} " in after(qemu_command(pod.arch, FOLDER, pod.args), "-append")
    other = microvm_facts_pod(a_node(), what="emulated", accelerator="tcg")
    assert other.name != pod.name
    assert other.accelerator == "tcg"


def test_the_first_program_is_a_script_whose_words_are_there() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    called = {line.split()[0] for line in text.splitlines() if line and line[0] not in "#/e"}
    assert called <= {*APPLETS, "PATH"}
    assert ramdisk(b"busybox", b"program") == ramdisk(b"busybox", b"program")
    assert ramdisk(b"busybox", b"program") != ramdisk(b"busybox", b"another")


# -- the probe's report -----------------------------------------------------------------------

REPORT = '{"device":"/dev/kvm","arch":"arm64","open":"%s","version":%d,"vm":"%s","vcpu":"%s",%s}'
CAPABILITIES = '"capabilities":{"IRQFD":1,"ONE_REG":0}'


def test_a_report_says_what_firecracker_would_miss() -> None:
    report = parse_kvm_report(REPORT % ("", 12, "", "", CAPABILITIES))
    assert report.works
    assert report.lacking == {"ONE_REG"}


@pytest.mark.parametrize(
    ("steps", "troubles"),
    [
        (("EACCES", 0, "not tried", "not tried"), 3),
        (("", 12, "ENODEV", "not tried"), 2),
        (("", 12, "", "EINVAL"), 1),
        (("", 11, "", ""), 0),
    ],
)
def test_a_step_that_failed_is_told(steps: tuple[str, int, str, str], troubles: int) -> None:
    report = parse_kvm_report(REPORT % (*steps, CAPABILITIES))
    assert not report.works
    assert len(report.troubles) == troubles


@pytest.mark.parametrize("text", ["", "no JSON", "{}", "[]"])
def test_what_is_no_report_is_an_error(text: str) -> None:
    with pytest.raises(LabError):
        parse_kvm_report(text)
