"""What an installed system may ask of its machine: EC2's tree, and cloud-init's NoCloud files.

The values are those that Hegel served, from `metadata.instance` of the hardware document; where
it says nothing, what the rest of the document says.  A value that nobody gave is an empty text.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from provisioner.model.hardware import Hardware, Interface

Leaf: TypeAlias = str
Tree: TypeAlias = Mapping[str, "Leaf | Tree"]


def meta_data(machine: Hardware) -> Tree:
    """The leaves below `/2009-04-04/meta-data/`."""
    instance, facility = _instance(machine), _below(_metadata(machine), "facility")
    system = _below(instance, "operating_system")
    license_ = _below(system, "license_activation")
    hostname = host_name(machine)
    return {
        "facility": _text(instance.get("facility")) or _text(facility.get("facility_code")),
        "hostname": hostname,
        "instance-id": instance_id(machine),
        "iqn": _text(instance.get("iqn")),
        "local-hostname": hostname,
        "local-ipv4": _address(machine, family=4, is_public=False) or _own_ipv4(machine),
        "operating-system": {
            "distro": _text(system.get("distro")),
            "image_tag": _text(system.get("image_tag")),
            "license_activation": {"state": _text(license_.get("state"))},
            "slug": _text(system.get("slug")),
            "version": _text(system.get("version")),
        },
        "plan": _text(instance.get("plan")) or _text(facility.get("plan_slug")),
        "public-ipv4": _address(machine, family=4, is_public=True),
        "public-ipv6": _address(machine, family=6, is_public=True),
        "public-keys": "\n".join(public_keys(machine)),
        "tags": "\n".join(_texts(instance.get("tags"))),
    }


def find(tree: Tree, path: str) -> str | None:
    """The text at a path, or the names below a folder, one a line; None where nothing is."""
    found: Leaf | Tree = tree
    for step in filter(None, path.split("/")):
        if isinstance(found, str) or step not in found:
            return None
        found = found[step]
    if isinstance(found, str):
        return found
    return "\n".join(
        f"{name}/" if isinstance(value, Mapping) else name for name, value in found.items()
    )


def user_data(machine: Hardware) -> str:
    """`metadata.userdata`, which Hegel served, or else that of the instance."""
    metadata = _metadata(machine)
    return _text(metadata.get("userdata")) or _text(_instance(machine).get("userdata"))


def vendor_data(machine: Hardware) -> str:
    return _text(_metadata(machine).get("vendordata"))


def instance_id(machine: Hardware) -> str:
    """Never changes, so that cloud-init does not begin anew."""
    return _text(_instance(machine).get("id")) or machine.id


def host_name(machine: Hardware) -> str:
    own = next((interface.hostname for interface in machine.interfaces if interface.hostname), "")
    return _text(_instance(machine).get("hostname")) or own


def public_keys(machine: Hardware) -> list[str]:
    return _texts(_instance(machine).get("ssh_keys"))


def nocloud_meta_data(machine: Hardware) -> str:
    """As JSON, which is YAML: no value can end its line."""
    hostname = host_name(machine)
    reported = {
        "instance-id": instance_id(machine),
        "local-hostname": hostname,
        "hostname": hostname,
        "public-keys": public_keys(machine),
    }
    return json.dumps({name: value for name, value in reported.items() if value}) + "\n"


def network_config(machine: Hardware) -> str:
    """Version 2, from the interfaces: fixed addresses where the document has them, else DHCP."""
    ethernets: dict[str, Any] = {}
    vlans: dict[str, Any] = {}
    for number, interface in enumerate(machine.interfaces):
        if interface.mac is None:
            continue
        name = f"nic{number}"
        card: dict[str, Any] = {"match": {"macaddress": interface.mac}}
        addresses = _addresses(interface)
        if interface.vlan_id and interface.vlan_id != "0":
            vlan = {"id": int(interface.vlan_id), "link": name, **addresses}
            vlans[f"{name}.{interface.vlan_id}"] = vlan
            ethernets[name] = card
        else:
            ethernets[name] = {**card, **addresses}
    reported = {"version": 2, "ethernets": ethernets}
    if vlans:
        reported["vlans"] = vlans
    return json.dumps(reported) + "\n"


def _addresses(interface: Interface) -> dict[str, Any]:
    prefix = _prefix(interface)
    if interface.ip is None or prefix is None:
        return {"dhcp4": True}
    reported: dict[str, Any] = {"addresses": [f"{interface.ip}/{prefix}"]}
    routes = [{"to": network, "via": gateway} for network, gateway in interface.routes]
    if interface.gateway:
        routes.append({"to": "0.0.0.0/0", "via": interface.gateway})
    if routes:
        reported["routes"] = routes
    names: dict[str, Any] = {}
    if interface.name_servers:
        names["addresses"] = list(interface.name_servers)
    if interface.domain_name:
        names["search"] = [interface.domain_name]
    if names:
        reported["nameservers"] = names
    return reported


def _prefix(interface: Interface) -> int | None:
    try:
        return ipaddress.IPv4Network(f"0.0.0.0/{interface.netmask}").prefixlen
    except ValueError:
        return None


def _own_ipv4(machine: Hardware) -> str:
    return next((ip for ip in machine.ips if ":" not in ip), "")


def _address(machine: Hardware, *, family: int, is_public: bool) -> str:
    network = _below(_instance(machine), "network")
    addresses = network.get("addresses")
    for address in addresses if isinstance(addresses, list | tuple) else ():
        if not isinstance(address, Mapping) or address.get("address_family") != family:
            continue
        if bool(address.get("public")) is is_public:
            return _text(address.get("address"))
    return ""


def _metadata(machine: Hardware) -> Mapping[str, Any]:
    return _below(machine.document, "metadata")


def _instance(machine: Hardware) -> Mapping[str, Any]:
    return _below(_metadata(machine), "instance")


def _below(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str:
    """Strings as they are, numbers and objects as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=dict)


def _texts(value: object) -> list[str]:
    return [_text(each) for each in value] if isinstance(value, list | tuple) else []
