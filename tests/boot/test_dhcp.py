"""DHCP and TFTP on a wire of the kernel's: a real dnsmasq, real clients, no virtual machines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.boot import dhcp_client
from tests.boot.lab import ADDRESS, NETMASK, Lab, until
from tests.boot.site import ENVIRONMENT, ROOT, SERVER, Site, address, mac

pytestmark = [pytest.mark.network, pytest.mark.waits, pytest.mark.timeout(300)]

BOOTS, IGNORED, LATER, UNKNOWN = 0x11, 0x12, 0x13, 0x19
BIOS, EFI, BC_EFI, ARM, HTTP, HTTP_ARM = 0, 7, 9, 11, 16, 19
SCRIPT = f"{SERVER}/boot/${{mac}}/auto.ipxe?firmware=${{platform}}&arch=${{buildarch}}"
FULL = {
    "hostname": "n19",
    "lease_time": 3_600,
    "name_servers": ["9.9.9.9", "1.1.1.1"],
    "time_servers": ["10.77.0.2"],
    "domain_name": "lab.example",
    "vlan_id": "12",
    "classless_static_routes": [{"destination_descriptor": "10.9.0.0/16", "gateway": "10.77.0.3"}],
}
LEASE = """\
#!/bin/sh
[ "$1" = bound ] && env > {path}
exit 0
"""


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Site:
    """A machine that boots, and one that boots nothing."""
    site = Site(lab, tmp_path)
    site.add_machine(BOOTS, idle="memory")
    site.add_machine(IGNORED, allow_pxe=False, idle="memory")
    site.commit("Add machines")
    return site


@pytest.fixture
def clients(lab: Lab) -> str:
    return lab.add_segment("clients")


def ask(site, clients, *questions):
    """The answers to each question, a list each."""
    done = subprocess.run(
        site.lab.inside([sys.executable, dhcp_client.__file__, "eth0"], clients),
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def boot_file(answer):
    return bytes.fromhex(answer["options"].get("67", "")).rstrip(b"\0").decode() or answer["file"]


def files(answers):
    """The one boot file of each question; None where nobody answered."""
    assert all(len(each) < 2 for each in answers)
    return [boot_file(each[0]) if each else None for each in answers]


def pids(site):
    """The processes of dnsmasq that run, by their pid files."""
    folder = site.repo / ".git" / "tink"
    found = {path.name: int(path.read_text() or 0) for path in folder.glob("*.pid")}
    return {name: pid for name, pid in found.items() if Path(f"/proc/{pid}").exists()}


def udhcpc(site, clients, number, *words):
    """What a real client learned, by the names of its script's variables; {} without an answer."""
    told = site.folder / f"lease-{number}"
    script = site.folder / "lease.sh"
    script.write_text(LEASE.format(path=told))
    script.chmod(0o755)
    told.unlink(missing_ok=True)
    subprocess.run(["ip", "-n", clients, "link", "set", "eth0", "address", mac(number)], check=True)
    asking = ["busybox", "udhcpc", "-f", "-q", "-n", "-t", "3", "-T", "1", "-i", "eth0"]
    subprocess.run(
        site.lab.inside([*asking, "-s", script, *words], clients), capture_output=True, check=False
    )
    lines = told.read_text().splitlines() if told.exists() else []
    return dict(line.partition("=")[::2] for line in lines)


def test_a_machine_gets_its_address_and_all_that_its_document_says(site, clients):
    spelt = mac(LATER).replace(":", "-").upper()  # as people do
    site.add_machine(LATER, dhcp={**FULL, "mac": spelt})
    site.commit("Add n19")
    site.serve()
    words = [word for name in ("ntpsrv", "staticroutes") for word in ("-O", name)]
    told = udhcpc(site, clients, LATER, *words)
    assert told["ip"] == address(LATER)
    assert (told["subnet"], told["router"]) == (NETMASK, ADDRESS)
    assert (told["dns"], told["ntpsrv"]) == ("9.9.9.9 1.1.1.1", "10.77.0.2")
    assert (told["hostname"], told["domain"]) == ("n19", "lab.example")
    assert told["lease"] == "3600"
    assert told["staticroutes"] == f"10.9.0.0/16 10.77.0.3 0.0.0.0/0 {ADDRESS}"
    ((offer,),) = ask(site, clients, {"mac": mac(LATER)})
    assert bytes.fromhex(offer["options"]["132"]) == b"12"
    assert udhcpc(site, clients, UNKNOWN) == {}


def test_firmware_gets_its_program_and_ipxe_its_script(site, clients):
    site.serve()
    kinds = (None, BIOS, EFI, BC_EFI, ARM, HTTP, HTTP_ARM)
    firmware = [{"mac": mac(BOOTS), "arch": each} for each in kinds]
    found = ask(site, clients, *firmware, {"mac": mac(BOOTS), "arch": BIOS, "user_class": "iPXE"})
    programs = ["", "undionly.kpxe", "snponly.efi", "snponly.efi", "snponly-arm64.efi"]
    over_http = [f"{SERVER}/ipxe/snponly.efi", f"{SERVER}/ipxe/snponly-arm64.efi"]
    assert files(found) == [*programs, *over_http, SCRIPT]
    http = bytes.fromhex(found[5][0]["options"]["60"])
    assert http == b"HTTPClient"  # firmware drops an offer that does not say so
    assert {each[0]["ip"] for each in found} == {address(BOOTS)}


def test_one_that_is_ignored_has_its_address_and_an_unknown_one_nothing(site, clients):
    site.serve()
    asked = [{"mac": mac(number), "arch": BIOS} for number in (IGNORED, UNKNOWN)]
    (ignored,), unknown = ask(site, clients, *asked)
    assert (ignored["ip"], boot_file(ignored)) == (address(IGNORED), "")
    assert unknown == []
    assert udhcpc(site, clients, IGNORED)["ip"] == address(IGNORED)
    machines = site.machines()
    assert machines[mac(IGNORED)]["state"] == "ignored"
    assert machines[mac(UNKNOWN)]["state"] == "unknown"
    metrics = site.get("/metrics")
    assert 'tink_dhcp_answers_total{answer="address"} 1.0' in metrics
    assert 'tink_dhcp_answers_total{answer="ignored"} 1.0' in metrics
    assert "DHCP ignores 02:00:00:00:00:19: no hardware document has" in site.server.text


def test_the_boot_program_comes_by_tftp(site, clients):
    site.serve()
    udhcpc(site, clients, BOOTS)
    subprocess.run(
        ["ip", "-n", clients, "address", "add", f"{address(BOOTS)}/24", "dev", "eth0"], check=True
    )
    got = site.folder / "undionly.kpxe"
    words = ["busybox", "tftp", "-g", "-r", "undionly.kpxe", "-l", got, ADDRESS]
    subprocess.run(site.lab.inside(words, clients), check=True)
    assert got.read_bytes() == Path("/usr/lib/ipxe/undionly.kpxe").read_bytes()
    assert 'tink_dhcp_answers_total{answer="boot_program"} 1.0' in site.get("/metrics")
    words[5], words[7] = "../../../etc/passwd", site.folder / "stolen"
    done = subprocess.run(site.lab.inside(words, clients), capture_output=True, check=False)
    assert done.returncode != 0


def test_what_a_commit_changes_is_answered_soon_and_without_a_gap(site, clients):
    """Each change is a new dnsmasq: one of version 2.90 that reads its files again crashes."""
    server = site.serve()

    def file_of(number):
        """Both may answer while one takes over from the other."""
        kept, found = ask(site, clients, *({"mac": mac(n), "arch": BIOS} for n in (BOOTS, number)))
        assert {boot_file(each) for each in kept} == {"undionly.kpxe"}
        return {boot_file(each) for each in found}

    assert file_of(LATER) == set()
    site.add_machine(LATER)
    site.commit("Add n19")
    until(lambda: file_of(LATER) == {""}, 20)
    site.add_machine(LATER, idle="memory")
    site.commit("Let n19 wait in memory")
    until(lambda: file_of(LATER) == {"undionly.kpxe"}, 20)
    (site.repo / "hardware" / f"n{LATER}.json").unlink()
    site.commit("Remove n19")
    until(lambda: file_of(LATER) == set(), 20)
    assert "ended" not in server.text
    assert len(pids(site)) == 2  # one for DHCP, one for TFTP


def test_a_proxy_says_what_to_boot_beside_a_server_that_gives_addresses(site, clients):
    other = site.lab.add_segment("other")
    subprocess.run(["ip", "-n", other, "address", "add", "10.77.0.2/24", "dev", "eth0"], check=True)
    words = ["dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--no-ping"]
    words += [
        f"--dhcp-leasefile={site.folder}/other.leases",
        "--dhcp-range=10.77.0.100,10.77.0.110",
    ]
    site.lab.start([*words, "--user=root"], site.folder / "other.log", segment=other)
    site.serve("--dhcp-mode", "proxy")
    discover = [{"mac": mac(number), "arch": BIOS} for number in (BOOTS, IGNORED, UNKNOWN)]
    plain = {"mac": mac(BOOTS)}
    ipxe = {"mac": mac(BOOTS), "arch": BIOS, "user_class": "iPXE"}
    *firmware, by_plain, by_ipxe = ask(site, clients, *discover, plain, ipxe)
    offers = [sorted((each["ip"] != "0.0.0.0", boot_file(each)) for each in found)
              for found in (*firmware, by_plain, by_ipxe)]  # fmt: skip
    address_only = [(True, "")]
    assert offers == [
        [(False, "undionly.kpxe"), *address_only],
        address_only,
        address_only,
        address_only,
        [(False, SCRIPT), *address_only],
    ]
    subprocess.run(
        ["ip", "-n", clients, "address", "add", "10.77.0.99/24", "dev", "eth0"], check=True
    )
    second = {"kind": dhcp_client.REQUEST, "port": 4011, "to": ADDRESS, "ip": "10.77.0.99"}
    kinds = (BIOS, EFI, BC_EFI, ARM)
    known = [{"mac": mac(BOOTS), "arch": arch, **second} for arch in kinds]
    found = ask(site, clients, *known, {"mac": mac(IGNORED), "arch": EFI, **second})
    assert files(found) == [
        "undionly.kpxe",
        "snponly.efi",
        "snponly.efi",
        "snponly-arm64.efi",
        None,
    ]


def test_a_port_that_another_server_has_is_a_message_and_not_a_start(site):
    holder = "import socket,time; s=socket.socket(type=socket.SOCK_DGRAM); s.bind(('',67)); "
    holder += "print('bound', flush=True); time.sleep(60)"
    held = site.lab.start([sys.executable, "-c", holder], site.folder / "holder.log")
    held.wait_for("bound", 10)
    done = start(site)
    assert done.returncode == 1
    assert "dnsmasq can't start" in done.stderr and "in use" in done.stderr
    assert "ss -lunp" in done.stderr


def test_a_missing_dnsmasq_is_named_with_its_package(site):
    hidden = 'mount --bind /dev/null $(command -v dnsmasq) && exec "$@"'
    done = start(site, "unshare", "-m", "sh", "-c", hidden, "sh")
    assert done.returncode == 1
    assert "dnsmasq is not installed" in done.stderr
    assert "apt-get install --no-install-recommends dnsmasq-base" in done.stderr


def start(site, *before):
    words = [*before, sys.executable, "-m", "provisioner.cli", "--repo", site.repo, "serve"]
    return subprocess.run(
        site.lab.inside([*words, "--listen", "127.0.0.1:0", "--dhcp", "br0"]),
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_dnsmasq_of_a_killed_server_goes_on_and_is_replaced_by_the_next(site, clients):
    server = site.serve()
    left = pids(site)
    server.kill()
    assert files(ask(site, clients, {"mac": mac(BOOTS), "arch": BIOS})) == ["undionly.kpxe"]
    server = site.serve()
    for pid in left.values():
        assert f"dnsmasq of an earlier server (process {pid}) is replaced" in server.text
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert files(ask(site, clients, {"mac": mac(BOOTS), "arch": BIOS})) == ["undionly.kpxe"]
    for pid in pids(site).values():
        os.kill(pid, signal.SIGKILL)
    server.wait_for("dnsmasq for dhcp ended: by signal 9", 20)
    server.wait_for("dnsmasq for tftp ended: by signal 9", 20)
    asked = {"mac": mac(BOOTS), "arch": BIOS}
    until(lambda: files(ask(site, clients, asked)) == ["undionly.kpxe"], 30)
    until(lambda: len(pids(site)) == 2, 30)
    assert server.terminate() == 0
    assert pids(site) == {}


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("kea", "kea-dhcp4 -t /tmp/dhcp.conf"),
        ("isc", "dhcpd -4 -t -cf /tmp/dhcp.conf -lf /tmp/dhcp.leases"),
        ("dnsmasq", ""),
    ],
)
def test_other_servers_read_what_is_printed_for_them(site, debian, kind, check):
    site.add_machine(LATER, dhcp=FULL)
    site.commit("Add n19")
    text = site.tink("--repo", str(site.repo), "boot", "config", kind, "--boot-url", SERVER)
    assert address(LATER) in text
    if kind == "dnsmasq":
        path = site.folder / "dhcp.conf"
        words = ["dnsmasq", "--test", f"--conf-file={path}"]
    else:
        path = debian / "tmp" / "dhcp.conf"
        (debian / "tmp" / "dhcp.leases").touch()
        words = ["unshare", "-m", "chroot", debian, *check.split()]
    path.write_text(text)
    done = subprocess.run(site.lab.inside(words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
