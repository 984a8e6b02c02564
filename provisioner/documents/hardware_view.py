"""What templates see as `.Hardware` and `.hardware`.

The shapes are those of Tinkerbell on Kubernetes: `.hardware` is the object as written
(`.hardware.spec.metadata.instance.id`), `.Hardware` its parts as Go structs, with the zero value
of each field that the document does not set (`index .Hardware.Disks 0`,
`(index .Hardware.Interfaces 0).DHCP.VLANID`).  A machine in classic tink's shape is shown the same
way, as far as it tells as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gotemplate.values import Struct
from provisioner.documents import go_types
from provisioner.model.hardware import Hardware

_PARTS = ("Disks", "Interfaces", "UserData", "Metadata", "VendorData")


def hardware_view(hardware: Hardware) -> dict[str, object]:
    """Return the data that rendering adds to a device map."""
    object_ = hardware.kubernetes or _as_kubernetes(hardware)
    spec = object_.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    devices = [disk.get("device") or "" for disk in spec.get("disks", [])]
    fields: dict[str, object] = {
        "Disks": go_types.texts(devices or None),
        "Interfaces": go_types.structs("Interface", spec.get("interfaces") or None),
        "UserData": spec.get("userData") or "",
        "Metadata": go_types.struct("Metadata", spec.get("metadata", {})),
        "VendorData": spec.get("vendorData") or "",
    }
    tags = {name: (name, False) for name in _PARTS}
    return {"hardware": object_, "Hardware": Struct(fields, tags=tags)}


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
