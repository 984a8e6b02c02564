"""A document of ours as Tinkerbell with Kubernetes reads it.  The way back out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from provisioner.documents import encode, kubernetes
from provisioner.model.hardware import Hardware
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRequest

_NO_NAME = re.compile(r"[^a-z0-9.-]+")
_NETBOOT = {"allow_pxe": "allowPXE", "allow_workflow": "allowWorkflow"}
_OSIE = {"base_url": "baseURL"}
# What classic tink keeps in the metadata and Kubernetes has fields for.
_FROM_METADATA = {"userdata": "userData", "vendordata": "vendorData"}


def export_kubernetes(value: Hardware | Template | WorkflowRequest) -> str:
    """Write a value as a document for kubectl.

    Names become what Kubernetes allows (`hello_world` is `hello-world`), references too.
    """
    match value:
        case Hardware():
            return encode.encode_yaml(value.kubernetes or _hardware(value))
        case Template():
            return encode.encode_yaml(_object("Template", value.name, {"data": value.text}))
        case WorkflowRequest():
            return encode.encode_yaml(_workflow(value))


def object_name(name: str) -> str:
    """Return the nearest name that Kubernetes allows."""
    return _NO_NAME.sub("-", name.lower()).strip("-.")[:253] or "unnamed"


def _object(kind: str, name: str, spec: Mapping[str, object]) -> dict[str, Any]:
    return {
        "apiVersion": kubernetes.API_VERSION,
        "kind": kind,
        "metadata": {"name": object_name(name)},
        "spec": spec,
    }


def _hardware(hardware: Hardware) -> Mapping[str, object]:
    document = hardware.document
    network = document.get("network")
    interfaces = network.get("interfaces", []) if isinstance(network, Mapping) else []
    spec: dict[str, object] = {"interfaces": [_interface(interface) for interface in interfaces]}
    metadata = document.get("metadata")
    if isinstance(metadata, Mapping):
        for name, field in _FROM_METADATA.items():
            if isinstance(metadata.get(name), str):
                spec[field] = metadata[name]
        spec["metadata"] = {
            name: value for name, value in metadata.items() if name not in _FROM_METADATA
        }
    hostname = next(
        (interface.hostname for interface in hardware.interfaces if interface.hostname), ""
    )
    exported = _object("Hardware", hardware.name or hostname or hardware.id, spec)
    exported["metadata"]["annotations"] = {kubernetes.ID_ANNOTATION: hardware.id}
    return exported


def _interface(interface: Mapping[str, Any]) -> Mapping[str, object]:
    if not isinstance(interface.get("netboot"), Mapping):
        return interface
    netboot = _renamed(interface["netboot"], _NETBOOT)
    if isinstance(netboot.get("osie"), Mapping):
        netboot["osie"] = _renamed(netboot["osie"], _OSIE)
    return {**interface, "netboot": netboot}


def _renamed(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in data.items()}


def _workflow(request: WorkflowRequest) -> Mapping[str, object]:
    spec: dict[str, object] = {"templateRef": object_name(request.template)}
    if request.hardware_ref:
        spec["hardwareRef"] = request.hardware_ref
    spec["hardwareMap"] = {name: _text(value) for name, value in request.hardware.items()}
    if request.disabled:
        spec["disabled"] = True
    exported = _object("Workflow", PurePosixPath(request.source.path).stem, spec)
    if request.start_timeout_seconds is not None:
        seconds = str(request.start_timeout_seconds)
        exported["metadata"]["annotations"] = {kubernetes.START_TIMEOUT_ANNOTATION: seconds}
    return exported


def _text(value: object) -> str:
    """Kubernetes takes nothing but text in a device map."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
