"""What DHCP servers are configured with."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from provisioner.faces.boot import dnsmasq, other_dhcp, reservations
from provisioner.faces.boot.dnsmasq import DnsmasqSettings, Files
from provisioner.model.hardware import Interface
from provisioner.model.ids import HardwareId, IpAddress, MacAddress
from provisioner.planning.boot_decision import Boot, BootDecision
from tests import builders
from tests.builders import ONE, TWO
from tests.planning.test_desired import after, file

FULL = Interface(
    mac=MacAddress("08:00:27:00:00:01"),
    ip=IpAddress("192.168.1.5"),
    netmask="255.255.255.248",
    gateway="192.168.1.1",
    hostname="n1",
    name_servers=("1.1.1.1", "8.8.8.8"),
    time_servers=("192.168.1.9", "pool.ntp.org"),
    lease_time_seconds=3600,
    domain_name="lab.example",
    routes=(("10.0.0.0/8", "192.168.1.2"),),
    vlan_id="12",
)
PLAIN = Interface(mac=MacAddress("08:00:27:00:00:02"), ip=IpAddress("192.168.1.6"))
NETWORK = ipaddress.IPv4Network("192.168.1.0/24")
SETTINGS = DnsmasqSettings(
    interface="br0",
    address="192.168.1.1",
    server="http://192.168.1.1:42114",
    ipxe_folder=Path("/usr/lib/ipxe"),
)
FILES = Files(hosts=Path("/h"), options=Path("/o"), leases=Path("/l"), pid=Path("/p"))


def both():
    return [
        reservations.of_interface(FULL, boots=True),
        reservations.of_interface(PLAIN, boots=False),
    ]


def test_each_machine_has_a_line_and_who_is_ignored_boots_nothing():
    assert dnsmasq.hosts_text(both()).splitlines() == [
        "08:00:27:00:00:01,set:o1,set:boot,192.168.1.5,n1,3600",
        "08:00:27:00:00:02,192.168.1.6,172800",
    ]


def test_everything_that_the_document_says_of_its_network_is_handed_out():
    assert dnsmasq.options_text(both()).splitlines() == [
        "tag:o1,1,255.255.255.248",
        "tag:o1,3,192.168.1.1",
        "tag:o1,6,1.1.1.1,8.8.8.8",
        "tag:o1,42,192.168.1.9",
        "tag:o1,15,lab.example",
        "tag:o1,121,10.0.0.0/8,192.168.1.2,0.0.0.0/0,192.168.1.1",
        'tag:o1,132,"12"',
    ]


def test_machines_with_the_same_options_share_them():
    other = replace(FULL, mac=PLAIN.mac, ip=PLAIN.ip, hostname="n2")
    apart = replace(PLAIN, mac=MacAddress("08:00:27:00:00:03"), gateway="192.168.1.2")
    found = [reservations.of_interface(each, boots=False) for each in (FULL, other, apart)]
    tags = [line.split(",")[1] for line in dnsmasq.hosts_text(found).splitlines()]
    assert tags == ["set:o1", "set:o1", "set:o2"]
    lines = dnsmasq.options_text(found).splitlines()
    assert len(lines) == 8 and lines[-1] == "tag:o2,3,192.168.1.2"


def test_neighbouring_networks_stay_apart_and_one_within_another_goes():
    def machine(identity, address, netmask):
        mac = MacAddress(f"08:00:27:00:00:{identity:02x}")
        interface = Interface(mac=mac, ip=IpAddress(address), netmask=netmask)
        name = HardwareId(f"00000000-0000-4000-8000-0000000000{identity:02x}")
        return builders.hardware(name, interfaces=(interface,))

    machines = (
        machine(1, "10.0.0.5", "255.255.255.0"),
        machine(2, "10.0.1.5", "255.255.255.0"),
        machine(3, "10.0.1.200", "255.255.255.128"),
    )
    desired = after({each.source.path: file(each) for each in machines})
    found = reservations.networks(desired, None)
    assert list(map(str, found)) == ["10.0.0.0/24", "10.0.1.0/24"]


def test_the_settings_know_firmware_from_ipxe():
    lines = dnsmasq.settings_text(SETTINGS, [NETWORK], FILES).splitlines()
    for line in (
        "interface=br0",
        "dhcp-hostsfile=/h",
        "dhcp-ignore=tag:!known",
        "dhcp-range=192.168.1.0,static,255.255.255.0",
        "dhcp-match=set:ipxe,175",
        "dhcp-match=set:efi64,option:client-arch,7",
        "dhcp-boot=tag:boot,tag:!ipxe,tag:bios,undionly.kpxe,,192.168.1.1",
        "dhcp-boot=tag:boot,tag:!ipxe,tag:http-efi64,http://192.168.1.1:42114/ipxe/snponly.efi",
        "dhcp-boot=tag:boot,tag:ipxe,http://192.168.1.1:42114/boot/${mac}/auto.ipxe"
        "?firmware=${platform}&arch=${buildarch}",
    ):
        assert line in lines
    assert not any("ra-only" in line for line in lines)


def test_a_proxy_gives_no_addresses():
    lines = dnsmasq.settings_text(replace(SETTINGS, is_proxy=True), [NETWORK], FILES).splitlines()
    assert "dhcp-range=192.168.1.1,proxy" in lines
    assert not any("static" in line or line == "dhcp-authoritative" for line in lines)
    assert "pxe-service=tag:boot,tag:!ipxe,x86PC,tinkgit,undionly.kpxe,192.168.1.1" in lines


def test_networks_are_those_of_the_documents_and_the_interface():
    far = Interface(
        mac=MacAddress("08:00:27:00:00:03"), ip=IpAddress("10.9.0.7"), netmask="255.255.0.0"
    )
    machines = (
        builders.hardware(ONE, interfaces=(FULL, PLAIN)),
        builders.hardware(TWO, interfaces=(far,)),
    )
    desired = after({each.source.path: file(each) for each in machines})
    found = reservations.networks(desired, NETWORK)
    assert list(map(str, found)) == ["10.9.0.0/16", "192.168.1.0/24"]


def test_kea_gets_json_with_a_subnet_for_each_network():
    told = json.loads(other_dhcp.kea_text(SETTINGS, [NETWORK], both()))["Dhcp4"]
    (subnet,) = told["subnet4"]
    full, plain = subnet["reservations"]
    assert full["hostname"] == "n1"
    assert {"name": "routers", "data": "192.168.1.1"} in full["option-data"]
    assert plain == {
        "hw-address": "08:00:27:00:00:02",
        "ip-address": "192.168.1.6",
        "boot-file-name": "",
    }


def test_isc_gets_a_host_for_each_machine():
    text = other_dhcp.isc_text(SETTINGS, [NETWORK], both())
    assert "  hardware ethernet 08:00:27:00:00:01;\n  fixed-address 192.168.1.5;\n" in text
    assert text.count("filename") == 4  # the machine that is ignored has none
    assert text.count("{") == text.count("}")


ANY = st.text(max_size=20) | st.sampled_from(["a,b", "a\nb", "tag:x,3,1.1.1.1", 'a"b', "a b"])


@given(ANY, ANY, st.lists(ANY, max_size=2), ANY)
def test_no_document_adds_a_line_or_an_option(hostname, gateway, servers, netmask):
    interface = Interface(
        mac=PLAIN.mac,
        ip=PLAIN.ip,
        hostname=hostname,
        gateway=gateway,
        netmask=netmask,
        name_servers=tuple(servers),
    )
    found = reservations.of_interface(interface, boots=False)
    (line,) = dnsmasq.hosts_text([found]).splitlines()
    assert line.count(",") in (2, 3, 4) and " " not in line and line.isascii()
    for option in dnsmasq.options_text([found]).splitlines():
        assert option.split(",")[1] in {"1", "3", "6"}


def test_machines_without_an_address_have_no_reservation():
    bare = builders.hardware(ONE, interfaces=(Interface(mac=PLAIN.mac), Interface(ip=PLAIN.ip)))

    def decide(mac):
        return BootDecision(boot=Boot.IGNORE, reason="")

    assert list(reservations.of_machines([bare], decide)) == []
