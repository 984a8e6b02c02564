"""Renew the goldens of `.Hardware`: `python -m tests.documents.hardware_oracle`, at the root.

The Go types are written from the table of `provisioner.documents.go_types`, and real Go renders
each text with each machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from provisioner.documents import go_types
from tests.gotemplate.oracle import go

GOLDENS = Path(__file__).with_name("hardware_goldens.json")

FULL = {
    "disks": [{"device": "/dev/sda"}, {"device": "/dev/nvme0n1"}, {}],
    "userData": "#cloud-config\n",
    "vendorData": "vendor",
    "interfaces": [
        {
            "disableDhcp": True,
            "dhcp": {
                "mac": "08:00:27:00:00:01",
                "hostname": "n1",
                "domain_name": "lab.example",
                "lease_time": 86400,
                "name_servers": ["1.1.1.1", "8.8.8.8"],
                "time_servers": ["10.0.0.9"],
                "arch": "x86_64",
                "uefi": True,
                "iface_name": "eno1",
                "vlan_id": "120",
                "tftp_server_name": "10.0.0.7",
                "boot_file_name": "ipxe.efi",
                "ip": {
                    "address": "10.0.0.3",
                    "netmask": "255.255.255.0",
                    "gateway": "10.0.0.1",
                    "family": 4,
                },
                "classless_static_routes": [
                    {"destination_descriptor": "10.9.0.0/16", "router": "10.0.0.2"}
                ],
            },
            "netboot": {
                "allowPXE": False,
                "allowWorkflow": True,
                "ipxe": {"url": "http://x/auto.ipxe", "contents": "#!ipxe", "binary": "ipxe.efi"},
                "osie": {"baseURL": "http://x", "kernel": "k", "initrd": "i"},
            },
            "isoboot": {"sourceISO": "http://x/hook.iso"},
        },
        {"dhcp": {"mac": "08:00:27:00:00:02"}},
    ],
    "metadata": {
        "state": "in_use",
        "bonding_mode": 4,
        "manufacturer": {"id": "m", "slug": "acme"},
        "custom": {"private_subnets": ["10.0.0.0/8"]},
        "facility": {"plan_slug": "c3", "plan_version_slug": "v1", "facility_code": "ewr1"},
        "instance": {
            "id": "i-1",
            "state": "active",
            "hostname": "n1.example",
            "allow_pxe": True,
            "tags": ["a", "b"],
            "ssh_keys": ["ssh-ed25519 AAAA"],
            "operating_system": {"slug": "ubuntu_22_04", "distro": "ubuntu", "version": "22.04"},
            "ips": [{"address": "10.0.0.3", "family": 4, "public": True}],
            "storage": {
                "disks": [
                    {
                        "device": "/dev/sda",
                        "wipe_table": True,
                        "partitions": [{"label": "ROOT", "number": 1, "size": 1000, "start": 0}],
                    }
                ],
                "raid": [{"name": "md0", "level": "1", "devices": ["/dev/sda1"]}],
                "filesystems": [
                    {
                        "mount": {
                            "device": "/dev/sda1",
                            "format": "ext4",
                            "point": "/",
                            "create": {"options": ["-L", "ROOT"]},
                            "files": [
                                {"path": "/x", "contents": "y", "mode": 420, "uid": 1, "gid": 2}
                            ],
                        }
                    }
                ],
            },
        },
    },
}
SPARSE = {
    "disks": [{"device": "/dev/sda"}],
    "interfaces": [
        {"dhcp": {"mac": "08:00:27:00:00:03", "ip": {"address": "10.0.0.3"}}},
    ],
    "metadata": {"instance": {"storage": {"disks": [{}], "filesystems": [{"mount": {}}]}}},
}
EMPTY: dict[str, object] = {}
MACHINES = {"full": FULL, "sparse": SPARSE, "empty": EMPTY}

WRITTEN = Path(__file__).with_name("hardware_texts.txt")


def texts() -> list[str]:
    """Written ones, and one for each field of each type."""
    found = WRITTEN.read_text().splitlines()
    for holder, kind in (
        ("(index .Hardware.Interfaces 0)", "Interface"),
        ("(index .Hardware.Interfaces 0).DHCP", "DHCP"),
        ("(index .Hardware.Interfaces 0).DHCP.IP", "IP"),
        ("(index .Hardware.Interfaces 0).Netboot", "Netboot"),
        ("(index .Hardware.Interfaces 0).Netboot.IPXE", "IPXE"),
        ("(index .Hardware.Interfaces 0).Netboot.OSIE", "OSIE"),
        (".Hardware.Metadata", "Metadata"),
        (".Hardware.Metadata.Instance", "Instance"),
        (".Hardware.Metadata.Instance.OperatingSystem", "OperatingSystem"),
        (".Hardware.Metadata.Instance.Storage", "Storage"),
        (".Hardware.Metadata.Facility", "Facility"),
        (".Hardware.Metadata.Manufacturer", "Manufacturer"),
    ):
        for name, _, type_ in go_types.TYPES[kind]:
            is_plain = type_ in ("string", "int64", "bool", "*bool", "[]string")
            shown = f".{name}" if is_plain else f".{name} | toJson"
            found.append(f"{{{{ {holder}{shown} }}}}")
            found.append(f"{{{{ if {holder}.{name} }}}}y{{{{ else }}}}n{{{{ end }}}}")
    return found


def go_source() -> str:
    """The types as Go has them, and what makes `.Hardware` of a spec."""
    lines = ["package main", 'import "encoding/json"']
    for kind, fields in go_types.TYPES.items():
        lines.append(f"type hw{kind} struct {{")
        for name, tag, type_ in fields:
            omit = "" if tag.endswith("!") else ",omitempty"
            plain = type_.lstrip("[]*")
            prefix = type_[: len(type_) - len(plain)]
            go_type = type_ if plain in ("string", "int64", "bool") else f"{prefix}hw{plain}"
            lines.append(f'{name} {go_type} `json:"{tag.rstrip("!")}{omit}"`')
        lines.append("}")
    lines.append("""
type hwDisk struct { Device string `json:"device,omitempty"` }
type hwSpec struct {
	Interfaces []hwInterface `json:"interfaces,omitempty"`
	Metadata *hwMetadata `json:"metadata,omitempty"`
	Disks []hwDisk `json:"disks,omitempty"`
	UserData string `json:"userData,omitempty"`
	VendorData string `json:"vendorData,omitempty"`
}
type hwView struct {
	Disks []string
	Interfaces []hwInterface
	UserData string
	Metadata hwMetadata
	VendorData string
}
func init() {
	hardwareOf = func(text json.RawMessage) (interface{}, error) {
		var spec hwSpec
		if err := json.Unmarshal(text, &spec); err != nil {
			return nil, err
		}
		var view hwView
		for _, disk := range spec.Disks {
			view.Disks = append(view.Disks, disk.Device)
		}
		view.Interfaces = spec.Interfaces
		view.UserData, view.VendorData = spec.UserData, spec.VendorData
		if spec.Metadata != nil {
			view.Metadata = *spec.Metadata
		}
		return view, nil
	}
}""")
    return "\n".join(lines) + "\n"


def answers(folder: Path) -> dict[str, list[dict[str, object]]]:
    """What Go makes of each text, by machine."""
    source = folder / "hardware.go"
    source.write_text(go_source())
    program = go.build(folder, source)
    return {
        name: list(
            go.ask(program, [{"template": text, "data": {}, "spec": spec} for text in texts()])
        )
        for name, spec in MACHINES.items()
    }


def main() -> int:
    lacks = go.missing()
    if lacks:
        print(f"cannot make goldens: {lacks}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        found = answers(Path(folder))
    rows = [
        json.dumps({"machine": name, "template": text, **answer})
        for name, each in found.items()
        for text, answer in zip(texts(), each, strict=True)
    ]
    GOLDENS.write_text("[\n" + ",\n".join(rows) + "\n]\n")
    print(f"{len(rows)} goldens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
