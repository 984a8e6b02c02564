"""What templates see as `.Hardware` and `.hardware`.

The shapes are those of Tinkerbell on Kubernetes: `.hardware` is the object as written
(`.hardware.spec.metadata.instance.id`), `.Hardware` its parts under the names of the Go
fields (`index .Hardware.Disks 0`, `(index .Hardware.Interfaces 0).DHCP.MAC`).  A machine
in classic tink's shape is shown the same way, as far as it tells as much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.model.hardware import Hardware

# Words that Go writes in capitals; every other name is its JSON name in camel case.
_GO_NAMES = {
    "mac": "MAC",
    "ip": "IP",
    "id": "ID",
    "url": "URL",
    "uefi": "UEFI",
    "dhcp": "DHCP",
    "ipxe": "IPXE",
    "osie": "OSIE",
    "baseURL": "BaseURL",
    "vlan_id": "VLANID",
    "ssh_keys": "SSHKeys",
    "type_guid": "TypeGUID",
    "disableDhcp": "DisableDHCP",
    "ipxe_script_url": "IpxeScriptURL",
}
_WORD = re.compile(r"(?:^|_)([a-z])")


def hardware_view(hardware: Hardware) -> dict[str, object]:
    """Return the data that rendering adds to a device map."""
    object_ = hardware.kubernetes or _as_kubernetes(hardware)
    spec = object_.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    return {
        "hardware": object_,
        "Hardware": {
            "Disks": [disk["device"] for disk in spec.get("disks", []) if disk.get("device")],
            "Interfaces": _go_names(spec.get("interfaces", [])),
            "Metadata": _go_names(spec.get("metadata", {})),
            "UserData": spec.get("userData", ""),
            "VendorData": spec.get("vendorData", ""),
        },
    }


def _as_kubernetes(hardware: Hardware) -> Mapping[str, object]:
    """Show a classic document as the object that it would be."""
    document = hardware.document
    metadata = document.get("metadata")
    network = document.get("network")
    interfaces = network.get("interfaces", []) if isinstance(network, Mapping) else []
    spec: dict[str, object] = {"interfaces": [_netboot(interface) for interface in interfaces]}
    if isinstance(metadata, Mapping):
        spec["metadata"] = metadata
        spec["disks"] = [{"device": device} for device in _devices(metadata)]
        if isinstance(metadata.get("userdata"), str):
            spec["userData"] = metadata["userdata"]
    return {"metadata": {"name": hardware.name or hardware.id}, "spec": spec}


def _netboot(interface: Mapping[str, Any]) -> Mapping[str, Any]:
    names = {"allow_pxe": "allowPXE", "allow_workflow": "allowWorkflow"}
    if not isinstance(interface.get("netboot"), Mapping):
        return interface
    netboot = {names.get(key, key): value for key, value in interface["netboot"].items()}
    return {**interface, "netboot": netboot}


def _devices(metadata: Mapping[str, Any]) -> list[str]:
    """The disks that the metadata tells of, as actions such as rootio read them."""
    found: Any = metadata
    for step in ("instance", "storage", "disks"):
        found = found.get(step) if isinstance(found, Mapping) else None
    disks: Sequence[Any] = found if isinstance(found, list) else []
    devices = (disk.get("device") for disk in disks if isinstance(disk, Mapping))
    return [device for device in devices if isinstance(device, str)]


def _go_names(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_go_name(key): _go_names(content) for key, content in value.items()}
    if isinstance(value, list):
        return [_go_names(item) for item in value]
    return value


def _go_name(name: str) -> str:
    return _GO_NAMES.get(name) or _WORD.sub(lambda found: found[1].upper(), name)
