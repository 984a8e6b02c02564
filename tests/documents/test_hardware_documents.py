"""A machine's data in classic tink's shape: what it means, and what is wrong with it."""

from __future__ import annotations

import json

import pytest

from provisioner.model.hardware import Netboot
from provisioner.model.problem import Severity
from tests.documents.document_reading import decode, shown

ID = "0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94"
MACHINE = f"""\
id: {ID}
metadata:
  facility:
    facility_code: onprem
  anything: [1, {{deep: yes}}]
network:
  interfaces:
    - dhcp:
        mac: 08:00:27:00:00:01
        hostname: machine-1
        lease_time: 86400
        name_servers: [1.1.1.1]
        time_servers: [pool.ntp.org]
        arch: x86_64
        uefi: true
        iface_name: eth0
        ip:
          address: 192.168.1.5
          netmask: 255.255.255.0
          gateway: 192.168.1.1
          family: 4
      netboot:
        allow_pxe: true
        allow_workflow: true
        ipxe: {{url: http://x/, contents: "#!ipxe"}}
        osie: {{base_url: http://x, kernel: k, initrd: i}}
"""


def hardware_of(text, path="hardware/n1.yaml"):
    decoded = decode(path, text)
    assert not decoded.has_errors, [str(each) for each in decoded.problems]
    (hardware,) = decoded.hardware
    return hardware


def problems_of(text, path="hardware/n1.yaml"):
    return decode(path, text).problems


def with_lines(**changes):
    text = MACHINE
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def test_a_machine_is_read():
    hardware = hardware_of(MACHINE)
    (interface,) = hardware.interfaces
    assert hardware.id == ID
    assert hardware.source.path == "hardware/n1.yaml"
    assert (interface.mac, interface.ip) == ("08:00:27:00:00:01", "192.168.1.5")
    assert (interface.netmask, interface.gateway) == ("255.255.255.0", "192.168.1.1")
    assert (interface.hostname, interface.arch) == ("machine-1", "x86_64")
    assert interface.lease_time_seconds == 86400
    assert interface.name_servers == ("1.1.1.1",)
    assert interface.time_servers == ("pool.ntp.org",)
    assert interface.uefi and interface.allow_pxe and interface.allow_workflow


def test_yaml_and_json_mean_the_same():
    shape = hardware_of(MACHINE).document
    same = hardware_of(json.dumps(shape, indent="\t"), "hardware/n1.json")
    assert same.document == shape


def test_the_document_keeps_everything_in_classic_shape():
    document = hardware_of(MACHINE).document
    assert document["metadata"]["anything"] == [1, {"deep": "yes"}]
    assert document["network"]["interfaces"][0]["netboot"]["osie"]["kernel"] == "k"


@pytest.mark.parametrize(
    "mac", ["08-00-27-AB-00-01", "0800.27ab.0001", "080027AB0001", "8:0:27:ab:0:1"]
)
def test_a_mac_in_any_spelling_becomes_one(mac):
    hardware = hardware_of(with_lines(**{"08:00:27:00:00:01": f"'{mac}'"}))
    assert hardware.macs == ("08:00:27:ab:00:01",)
    assert hardware.document["network"]["interfaces"][0]["dhcp"]["mac"] == "08:00:27:ab:00:01"


def test_a_mac_without_quotes_stays_a_mac():
    assert hardware_of(with_lines(**{"08:00:27:00:00:01": "52:54:00:12:34:56"})).macs == (
        "52:54:00:12:34:56",
    )


def test_an_id_in_capitals_is_the_same_id():
    assert hardware_of(with_lines(**{ID: ID.upper()})).id == ID


@pytest.mark.parametrize(
    "text", [f"id: {ID}\n", f'{{"id": "{ID}", "network": {{"interfaces": [{{}}]}}}}']
)
def test_a_machine_without_addresses_is_accepted(text):
    assert hardware_of(text).macs == ()


def test_the_places_of_id_and_addresses_are_known():
    places = hardware_of(MACHINE).places
    assert places[ID] == (1, 5)
    assert places["08:00:27:00:00:01"] == (9, 14)
    assert places["192.168.1.5"] == (18, 20)


def test_metadata_as_a_text_of_json_is_unpacked():
    text = json.dumps({"id": ID, "metadata": '{"facility": {"facility_code": "x"}}'})
    assert hardware_of(text).document["metadata"] == {"facility": {"facility_code": "x"}}


def test_metadata_as_another_text_stays_a_text():
    assert hardware_of(f"id: {ID}\nmetadata: plain\n").document["metadata"] == "plain"


@pytest.mark.parametrize("metadata", ["5", "[1]", "~", "true"])
def test_metadata_may_be_anything(metadata):
    assert not problems_of(f"id: {ID}\nmetadata: {metadata}\n")


def test_names_are_read_in_any_case_as_go_does():
    text = json.dumps({"ID": ID, "Network": {"Interfaces": [{"DHCP": {"MAC": "080027000001"}}]}})
    assert hardware_of(text).macs == ("08:00:27:00:00:01",)


def test_null_is_the_same_as_absent():
    text = json.dumps({"id": ID, "network": {"interfaces": [{"dhcp": {"mac": None, "ip": None}}]}})
    assert hardware_of(text).macs == ()


def test_an_unknown_field_is_a_warning_that_names_it():
    text = with_lines(name_servers="nameservers", gateway="gatewy")
    (first, second) = problems_of(text)
    assert [str(each.severity) for each in (first, second)] == ["warning", "warning"]
    assert shown((first, second)) == ["12:9 schema.unknown", "20:11 schema.unknown"]
    assert (first.hint, second.hint) == ("did you mean 'name_servers'?", "did you mean 'gateway'?")
    assert decode("hardware/n1.yaml", text).hardware


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (f"id: {ID}\n", "", "1:1 schema.required"),
        (ID, "not-a-uuid", "1:5 hardware.id"),
        (ID, "''", "1:5 hardware.id"),
        (ID, "5", "1:5 schema.type"),
        ("08:00:27:00:00:01", "08:00:27:00:00", "9:14 mac.format"),
        ("08:00:27:00:00:01", "$MAC", "9:14 mac.format"),
        ("08:00:27:00:00:01", "5", "9:14 schema.type"),
        ("192.168.1.5", "192.168.1.256", "18:20 ip.format"),
        ("192.168.1.5", "192.168.1.5/24", "18:20 ip.format"),
        ("lease_time: 86400", "lease_time: 60s", "11:21 schema.type"),
        ("lease_time: 86400", "lease_time: -1", "11:21 schema.value"),
        ("lease_time: 86400", "lease_time: 4294967296", "11:21 schema.value"),
        ("uefi: true", "uefi: yes", "15:15 schema.type"),
        ("[1.1.1.1]", "1.1.1.1", "12:23 schema.type"),
        ("[1.1.1.1]", "[1.1]", "12:24 schema.type"),
        ("hostname: machine-1", 'hostname: "a\\nb"', "10:19 schema.pattern"),
        # dnsmasq starts for nobody with a line end in the option of one machine
        ("hostname: machine-1", 'vlan_id: "12\\n"', "10:18 schema.pattern"),
        ("  interfaces:\n", "  interfaces: {}\n  x:\n", "7:15 schema.type"),
    ],
)
def test_a_mistake_is_told_at_its_place(old, new, problem):
    assert old in MACHINE
    found = [each for each in problems_of(MACHINE.replace(old, new)) if each.severity == "error"]
    assert shown(tuple(found)) == [problem]
    assert not decode("hardware/n1.yaml", MACHINE.replace(old, new)).hardware


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("lease_time: 86400", "lease_time: 60s", "write 60, without quotes or unit"),
        ("uefi: true", "uefi: yes", "write true"),
        ("uefi: true", "uefi: off", "write false"),
        ("[1.1.1.1]", "1.1.1.1", 'write a list: ["1.1.1.1"]'),
        ("[1.1.1.1]", "[1.1]", 'put it in quotes: "1.1"'),
        ("machine-1", "0x10", 'put it in quotes: "0x10"'),
        ("08:00:27:00:00:01", "$MAC", "it still holds a placeholder; fill it in before committing"),
        ("08:00:27:00:00:01", "<mac>", "it is a placeholder; fill it in before committing"),
        ("08:00:27:00:00:01", "zz", "write it as 08:00:27:00:00:01"),
    ],
)
def test_a_mistake_says_what_to_write(old, new, hint):
    assert problems_of(MACHINE.replace(old, new))[0].hint == hint


def test_every_mistake_of_a_file_is_told_in_reading_order():
    text = with_lines(**{ID: "x", "08:00:27:00:00:01": "y", "192.168.1.5": "z"})
    assert shown(problems_of(text)) == ["1:5 hardware.id", "9:14 mac.format", "18:20 ip.format"]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("    - dhcp: {mac: 08-00-27-00-00-01}\n", "27:19 hardware.duplicate"),
        ("    - dhcp: {ip: {address: 192.168.1.5}}\n", "27:28 hardware.duplicate"),
    ],
)
def test_an_address_that_stands_twice_in_a_document_is_refused(second, problem):
    assert shown(problems_of(MACHINE + second)) == [problem]


def test_a_dump_says_how_to_turn_it_into_files():
    (problem,) = problems_of('{"data": [{"id": "x"}]}', "hardware/all.json")
    assert problem.code == "hardware.dump"
    assert "tink import" in problem.hint


def test_one_json_object_a_line_says_how_to_turn_it_into_files():
    (problem,) = problems_of(f'{{"id": "{ID}"}}\n{{"id": "{ID}"}}\n', "hardware/all.json")
    assert "tink import" in problem.hint


def test_a_second_classic_document_is_refused():
    assert shown(problems_of(f"id: {ID}\n---\nid: {ID}\n")) == ["3:1 file.documents"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~\n"])
def test_an_empty_file_is_refused(text):
    assert [each.code for each in problems_of(text)] == ["file.empty"]


@pytest.mark.parametrize("text", ["text\n", "[1]\n", "5\n"])
def test_what_is_no_map_is_refused(text):
    assert shown(problems_of(text)) == ["1:1 schema.type"]


def test_a_mistake_in_the_yaml_is_told_once_and_gives_no_machine():
    text = MACHINE.replace("        hostname: machine-1\n", "        mac: 5\n")
    decoded = decode("hardware/n1.yaml", text)
    assert shown(decoded.problems) == ["10:9 yaml.duplicate"]
    assert not decoded.hardware


def test_a_file_of_another_folder_is_no_document():
    assert decode("README.md", "[") == decode("docs/x.yaml", "a: [")


def test_warnings_are_no_errors():
    decoded = decode("hardware/n1.yaml", "\ufeff" + MACHINE)
    assert [each.severity for each in decoded.problems] == [Severity.WARNING]
    assert decoded.hardware and not decoded.has_errors


def test_what_an_interface_says_of_its_network_is_read():
    text = with_lines(
        **{
            "        iface_name: eth0\n": "        vlan_id: '12'\n"
            "        domain_name: lab.example\n        classless_static_routes:\n"
            "          - {destination_descriptor: 10.0.0.0/8, gateway: 192.168.1.2}\n",
            "      netboot:\n": "      netboot:\n        idle: memory\n",
        }
    )
    (interface,) = hardware_of(text).interfaces
    assert (interface.vlan_id, interface.domain_name) == ("12", "lab.example")
    assert interface.routes == (("10.0.0.0/8", "192.168.1.2"),)
    assert interface.netboot == Netboot(
        ipxe_url="http://x/",
        ipxe_contents="#!ipxe",
        osie_base_url="http://x",
        osie_kernel="k",
        osie_initrd="i",
        idle="memory",
    )


@pytest.mark.parametrize(
    ("route", "routes", "warnings"),
    [
        ("router: 192.168.1.2", (("10.0.0.0/8", "192.168.1.2"),), 0),
        ("gateway: 192.168.1.2", (("10.0.0.0/8", "192.168.1.2"),), 0),
        ("router: ''", (), 1),
        ("router: 192.168.1", (), 1),
    ],
)
def test_a_route_has_its_router_under_the_name_of_today_or_as_gateway(route, routes, warnings):
    text = with_lines(
        **{
            "        iface_name: eth0\n": "        classless_static_routes:\n"
            f"          - {{destination_descriptor: 10.0.0.0/8, {route}}}\n",
        }
    )
    decoded = decode("hardware/n1.yaml", text)
    assert decoded.hardware[0].interfaces[0].routes == routes
    found = [problem for problem in decoded.problems if problem.code == "dhcp.value"]
    assert len(found) == warnings


def test_a_switch_that_is_left_out_is_neither_yes_nor_no():
    text = MACHINE.replace("        allow_pxe: true\n", "")
    assert hardware_of(text).interfaces[0].allow_pxe is None


@pytest.mark.parametrize("bad", [" ", ";", "${x}", "'", '\\"', "\\n", "é", "|", "`", "\\\\"])
@pytest.mark.parametrize(
    ("field", "place"),
    [("url: http://x/", "25:21"), ("base_url: http://x", "26:26"), ("kernel: k", "26:44")],
)
def test_what_can_not_stand_in_a_boot_script_is_refused(field, place, bad):
    name, _, value = field.partition(": ")
    (problem,) = problems_of(MACHINE.replace(field, f'{name}: "{value}{bad}"'))
    code = "schema.pattern" if bad == "\\n" else "netboot.value"
    assert (problem.code, f"{problem.line}:{problem.column}") == (code, place)
    assert problem.severity is Severity.ERROR and problem.hint


@pytest.mark.parametrize(
    "field",
    ["hostname: machine-1", "netmask: 255.255.255.0", "gateway: 192.168.1.1", "[1.1.1.1]"],
)
def test_what_dhcp_can_not_hand_out_is_a_warning(field):
    name, colon, _ = field.rpartition(": ")
    bad = f"{name}{colon}'a,b c'" if colon else "['a,b c']"
    decoded = decode("hardware/n1.yaml", MACHINE.replace(field, bad))
    (problem,) = decoded.problems
    assert (problem.code, problem.severity) == ("dhcp.value", Severity.WARNING)
    (hardware,) = decoded.hardware
    interface = hardware.interfaces[0]
    values = (interface.netmask, interface.gateway, *interface.name_servers)
    assert "a,b c" not in values
    assert interface.hostname == ("a,b c" if "hostname" in field else "machine-1")
