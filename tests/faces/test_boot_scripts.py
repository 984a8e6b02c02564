"""The iPXE script of each decision, and what can't get into one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import UserError
from provisioner.faces.boot import kernel_line, script
from provisioner.faces.boot.kernel_line import InMemoryOs
from provisioner.faces.boot.script import Osie, ScriptSettings
from provisioner.model.hardware import Interface, Netboot
from provisioner.planning.boot_decision import Boot, BootDecision, Client
from tests import builders
from tests.builders import MACS, ONE

MAC = MACS[ONE]
SERVER = "http://10.0.0.1:42114"
IMAGE = InMemoryOs(
    kernel="vmlinuz", initramfs="initramfs", root="root.squashfs", root_sha256="0" * 64
)
OURS = ScriptSettings(server=SERVER, image=IMAGE)


def decision(boot, *, reason="a reason", **netboot):
    interface = Interface(hostname="n1", vlan_id="12", netboot=Netboot(**netboot))
    hardware = builders.hardware(
        ONE,
        document={
            "id": ONE,
            "metadata": {"instance": {"id": "i-1"}, "facility": {"facility_code": "ams1"}},
        },
    )
    return BootDecision(
        boot=boot, reason=reason, machine=ONE, hardware=hardware, interface=interface
    )


def text_of(boot, *, settings=OURS, client=None, **changes):
    return script.script_of(decision(boot, **changes), MAC, client or Client(), settings)


def test_who_is_ignored_gets_no_script():
    assert text_of(Boot.IGNORE) is None


@pytest.mark.parametrize(
    ("firmware", "end"),
    [
        ("bios", "sanboot --no-describe --drive 0x80 || exit\n"),
        ("efi", "exit 1\n"),
        ("", "iseq ${platform} efi && exit 1 ||\nsanboot --no-describe --drive 0x80 || exit\n"),
    ],
)
def test_the_way_to_the_disk_is_that_of_the_firmware(firmware, end):
    text = text_of(Boot.DISK, client=Client(firmware=firmware))
    assert text.startswith("#!ipxe\necho ") and text.endswith(f"\n{end}")


def test_the_memory_os_is_loaded_from_here_and_checked_by_its_sum():
    text = text_of(Boot.MEMORY)
    assert text == (
        "#!ipxe\n"
        f"echo tinkgit: {MAC} n1: memory, because a reason\n"
        "imgfree\n"
        f"kernel {SERVER}/os/vmlinuz initrd=initramfs tink_server={SERVER} tink_mac={MAC}"
        f" tink_root={SERVER}/os/root.squashfs tink_root_sha256={'0' * 64} tink_vlan=12"
        " || goto failed\n"
        f"initrd --name initramfs {SERVER}/os/initramfs || goto failed\n"
        "boot || goto failed\n"
        ":failed\n"
        "echo tinkgit: that failed, trying again in 5 seconds\n"
        "sleep 5\n"
        f"chain --autofree --replace {SERVER}/boot/{MAC}/auto.ipxe"
        "?firmware=${platform}&arch=${buildarch} || goto failed\n"
    )


def test_the_operator_adds_kernel_arguments():
    settings = ScriptSettings(server=SERVER, image=IMAGE, arguments=("console=ttyS0", "a;b"))
    text = text_of(Boot.MEMORY, settings=settings)
    assert " console=ttyS0 || goto failed\n" in text and "a;b" not in text


def test_another_os_gets_the_arguments_of_both_generations():
    osie = Osie(base_url="http://hook.example/x/")
    settings = ScriptSettings(server=SERVER, image=IMAGE, osie=osie)
    text = text_of(Boot.MEMORY, settings=settings, client=Client(arch="aarch64"))
    (line,) = (each for each in text.splitlines() if each.startswith("kernel "))
    words = line.split()
    assert words[1] == "http://hook.example/x/vmlinuz-arm64"
    assert "http://hook.example/x/initramfs-arm64" in text
    for word in (
        "packet_action=workflow",
        "facility=ams1",
        "instance_id=i-1",
        "grpc_authority=10.0.0.1:42113",
        "tinkerbell_tls=false",
        f"worker_id={MAC}",
        f"hw_addr={MAC}",
        f"tinkerbell={SERVER}",
        "syslog_host=10.0.0.1",
        "vlan_id=12",
    ):
        assert word in words


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("http://boot.example", "boot.example"),
        ("http://boot.example/tink", "boot.example"),
        ("http://10.0.0.1:8080", "10.0.0.1"),
        ("http://[fd00::1]:42114", "[fd00::1]"),
        ("http://[fd00::1]", "[fd00::1]"),
    ],
)
def test_its_agent_finds_the_host_of_the_server_with_and_without_a_port(server, host):
    osie = Osie(base_url="http://hook.example/x/")
    text = text_of(Boot.MEMORY, settings=ScriptSettings(server=server, osie=osie))
    assert f" grpc_authority={host}:42113 " in text
    assert f" syslog_host={host} " in text


def test_the_document_names_another_os_for_its_machine():
    text = text_of(Boot.MEMORY, osie_base_url="http://own.example", osie_kernel="k")
    assert "kernel http://own.example/k " in text
    assert " http://own.example/initramfs-x86_64 " in text


def test_a_script_of_the_document_is_chained_or_served_as_it_is():
    chained = text_of(Boot.SCRIPT, ipxe_url="http://own.example/x.ipxe")
    assert "chain --autofree http://own.example/x.ipxe || goto failed\n" in chained
    own = "#!ipxe\nchain http://${next-server}/x\n"
    assert text_of(Boot.SCRIPT, ipxe_contents=own) == own
    assert text_of(Boot.SCRIPT, ipxe_contents="shell\n") == "#!ipxe\nshell\n"


def test_without_an_os_the_error_says_how_to_get_one():
    with pytest.raises(UserError) as refused:
        text_of(Boot.MEMORY, settings=ScriptSettings(server=SERVER))
    assert "tink os build" in refused.value.hint


TEXT = st.text(max_size=30) | st.sampled_from(
    ["a b", "a;b", "${net0/mac}", 'a"b', "a\nb", "a'b", "a||b", "é", "\\", "`id`"]
)


@given(TEXT, TEXT, TEXT)
def test_nothing_that_a_document_says_ends_a_word_or_a_line(hostname, facility, instance):
    """Whatever validation let through: the texts are checked where they are written."""
    interface = Interface(hostname=hostname, netboot=Netboot(osie_base_url="http://own.example"))
    document = {
        "id": ONE,
        "metadata": {"instance": {"id": instance}, "facility": {"facility_code": facility}},
    }
    made = BootDecision(
        boot=Boot.MEMORY,
        reason=hostname,
        machine=ONE,
        hardware=builders.hardware(ONE, document=document),
        interface=interface,
    )
    text = script.script_of(made, MAC, Client(), OURS)
    lines = text.splitlines()
    assert len(lines) == 10 and text.isascii()
    assert [line.split()[0] for line in lines[1:5]] == ["echo", "imgfree", "kernel", "initrd"]
    for word in lines[3].split()[1:-3]:
        assert kernel_line.is_harmless(word)
    assert "$" not in "".join(lines[:6])


@pytest.mark.parametrize("bad", ["http://x/a b", "http://x/;", "http://x/${mac}", 'http://x/"'])
def test_a_url_that_is_none_is_never_written(bad):
    for netboot, boot in (({"ipxe_url": bad}, Boot.SCRIPT), ({"osie_base_url": bad}, Boot.MEMORY)):
        with pytest.raises(UserError, match="boot script"):
            text_of(boot, **netboot)
