"""The seed disk: what goes in comes out, in the same bytes each time."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines import GuestSpec, LabKeys, build_seed, managementwall
from edge_lab.machines.guest import MANAGEMENT_ADDRESS, MANAGEMENT_NIC, AcceleratorName
from edge_lab.machines.seed import SECTOR, guest_seed
from edge_lab.machines.workingset import MIN_TTL_MS
from edge_lab.provisioning.provision import GuestFile

MakeSpec = Callable[..., GuestSpec]

_part = st.text("abcdefghijklmnopqrstuvwxyz0123456789._@-", min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."}
)
_files = st.dictionaries(
    st.lists(_part, min_size=1, max_size=4).map(lambda parts: "/f/" + "/".join(parts) + "/leaf~"),
    st.tuples(st.binary(max_size=2000), st.sampled_from([0o600, 0o644, 0o755])),
    max_size=6,
)


def unpack(seed: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(seed)) as tar:
        found = {}
        for entry in tar:
            source = tar.extractfile(entry) if entry.isreg() else None
            found["/" + entry.name] = (entry, source.read() if source else b"")
        return found


@given(_files)
def test_every_file_comes_back_with_its_content_and_mode(
    files: dict[str, tuple[bytes, int]],
) -> None:
    given_files = [GuestFile(path, content, mode) for path, (content, mode) in files.items()]
    seed = build_seed(given_files)
    found = unpack(seed)
    for path, (content, mode) in files.items():
        assert found[path][0].mode == mode
        assert found[path][1] == content
    assert len(seed) % SECTOR == 0
    assert build_seed(reversed(given_files)) == seed


def test_folders_come_before_what_is_in_them() -> None:
    names = list(unpack(build_seed([GuestFile.text("/a/b/c", "x"), GuestFile.text("/a-b", "y")])))
    assert names.index("/a") < names.index("/a/b") < names.index("/a/b/c")


def test_folders_are_open_to_all_and_everything_is_roots() -> None:
    for entry, _ in unpack(build_seed([GuestFile.text("/a/b", "x", 0o600)])).values():
        assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 0)
        if entry.isdir():
            assert entry.mode == 0o755


def test_an_enabled_unit_is_a_link_to_its_file() -> None:
    own = GuestFile.text("/etc/systemd/system/own.service", "[Service]")
    found = unpack(build_seed([own], ["own.service", "containerd.service", "tty@x.service"]))
    wants = "/etc/systemd/system/multi-user.target.wants"
    assert found[f"{wants}/own.service"][0].linkname == "/etc/systemd/system/own.service"
    image = "/usr/lib/systemd/system"
    assert found[f"{wants}/containerd.service"][0].linkname == f"{image}/containerd.service"
    assert found[f"{wants}/tty@x.service"][0].linkname == f"{image}/tty@.service"


@pytest.mark.parametrize("path", ["etc/passwd", "/../x", "/a/../../x", "/"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(LabError, match="not an absolute path"):
        build_seed([GuestFile.text(path, "x")])


def test_two_contents_for_one_path_are_refused() -> None:
    with pytest.raises(LabError, match="two different files"):
        build_seed([GuestFile.text("/a", "x"), GuestFile.text("/a", "y")])


def test_a_file_in_place_of_a_folder_is_refused() -> None:
    with pytest.raises(LabError, match="both a file and a folder"):
        build_seed([GuestFile.text("/a", "x"), GuestFile.text("/a/b", "y")])


def test_a_machine_gets_its_name_keys_and_network(make_spec: MakeSpec, run: RunDir) -> None:
    keys = LabKeys(run.keys)
    found = unpack(guest_seed(make_spec("edge-arm"), keys, "tcg"))
    text = {path: content.decode() for path, (_, content) in found.items()}
    assert text["/etc/hostname"] == "edge-arm\n"
    assert found["/etc/ssh/ssh_host_ed25519_key"][0].mode == 0o600
    assert text["/etc/ssh/edge-lab-authorized-keys"] == keys.client.public + "\n"
    assert "10.77.0.1\tserver" in text["/etc/hosts"]
    assert "MACAddress=52:54:00:ed:ff:01" in text["/etc/systemd/network/10-mgmt0.link"]
    assert "Address=10.0.2.15/24" in text["/etc/systemd/network/10-mgmt0.network"]
    assert "Gateway" not in text["/etc/systemd/network/10-mgmt0.network"]
    cloud = text["/etc/systemd/network/10-cloud0.network"]
    assert "Address=10.77.0.11/24" in cloud
    assert "Destination=10.42.1.0/24\nGateway=10.77.0.1\n" in cloud
    assert "Route" not in text["/etc/systemd/network/10-plant0.network"]
    assert text["/etc/edge/x.conf"] == "x"


def test_the_management_address_is_walled_before_sshd_listens(
    make_spec: MakeSpec, run: RunDir
) -> None:
    found = unpack(guest_seed(make_spec("edge-arm"), LabKeys(run.keys), "kvm"))
    text = {path: content.decode() for path, (_, content) in found.items()}
    begins = text["/etc/systemd/system/ssh.service.d/20-edge-lab-management.conf"].splitlines()
    assert begins[1] == f"ExecStartPre=-{managementwall.LOAD}"
    (drop,) = [line.split() for line in text[managementwall.RULES].splitlines() if "drop" in line]
    assert drop[:3] == ["ip", "daddr", str(MANAGEMENT_ADDRESS.ip)]
    allowed = {word.strip('",') for word in drop[drop.index("{") + 1 : drop.index("}")]}
    assert (drop[4], allowed) == ("!=", {MANAGEMENT_NIC, "lo"})


@pytest.mark.parametrize("accelerator", ["tcg", "kvm"])
def test_the_kernel_is_told_to_keep_the_working_set(
    make_spec: MakeSpec, run: RunDir, accelerator: AcceleratorName
) -> None:
    found = unpack(guest_seed(make_spec("edge-arm"), LabKeys(run.keys), accelerator))
    (line,) = found["/etc/tmpfiles.d/60-edge-lab-working-set.conf"][1].decode().splitlines()
    kind, path, *_, value = line.split()
    assert (kind, path, int(value)) == ("w-", "/sys/kernel/mm/lru_gen/min_ttl_ms", MIN_TTL_MS)


def test_timers_of_an_emulated_machine_may_be_late(make_spec: MakeSpec, run: RunDir) -> None:
    spec, keys = make_spec("edge-arm"), LabKeys(run.keys)
    emulated, other = (unpack(guest_seed(spec, keys, each)) for each in ("tcg", "kvm"))
    slack = "/etc/systemd/system.conf.d/20-emulated.conf"
    assert b"TimerSlackNSec=2000000" in emulated[slack][1]
    assert slack not in other


def test_two_machines_have_two_host_keys_and_keep_them(make_spec: MakeSpec, run: RunDir) -> None:
    one, other = (
        unpack(guest_seed(make_spec(n), LabKeys(run.keys), "tcg")) for n in ("server", "edge-arm")
    )
    path = "/etc/ssh/ssh_host_ed25519_key"
    assert one[path][1] != other[path][1]
    again = unpack(guest_seed(make_spec("server"), LabKeys(run.keys), "tcg"))
    assert again[path][1] == one[path][1]


def test_sshd_listens_on_the_management_address_alone(make_spec: MakeSpec, run: RunDir) -> None:
    found = unpack(guest_seed(make_spec("server"), LabKeys(run.keys), "kvm"))
    settings = found["/etc/ssh/sshd_config.d/10-edge-lab.conf"][1].decode().splitlines()
    addresses = [line for line in settings if line.startswith("ListenAddress")]
    assert addresses == [f"ListenAddress {MANAGEMENT_ADDRESS.ip}"]
    # The address may come later than sshd's turn.
    unit = "/etc/systemd/system/ssh.service.d/20-edge-lab-management.conf"
    assert f"show dev {MANAGEMENT_NIC} | grep -qF {MANAGEMENT_ADDRESS};" in (
        found[unit][1].decode()
    )
