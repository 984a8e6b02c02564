"""Documents of ours as Tinkerbell with Kubernetes reads them.  The way back out.

What was read from a Kubernetes-era object goes out as that object, without what the cluster it
came from had added.  Names become what Kubernetes allows, and no two of a kind the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from provisioner.documents import encode, go_types, kubernetes
from provisioner.model.hardware import Hardware
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRequest

Exportable: TypeAlias = Hardware | Template | WorkflowRequest

NAME_LENGTH = 253  # of a Kubernetes object
_SUFFIX_LENGTH = 8
_NO_NAME = re.compile(r"[^a-z0-9.-]+")
_DOTS = re.compile(r"[.-]*[.][.-]*")  # a part between dots begins and ends with a letter
_NETBOOT = {"allow_pxe": "allowPXE", "allow_workflow": "allowWorkflow"}
_OSIE = {"base_url": "baseURL"}
# What classic tink keeps in the metadata and Kubernetes has fields for.
_FROM_METADATA = {"userdata": "userData", "vendordata": "vendorData"}


class Export:
    """The way out of one desired state: each document's object name, and its text."""

    def __init__(self, documents: Iterable[Exportable]) -> None:
        self._names: dict[tuple[str, str], str] = {}  # by kind and own identity
        self._templates: dict[str, Template] = {}  # by name and by id
        self._hardware: dict[tuple[str, str], Hardware] = {}  # by name space and name
        self.renamed: tuple[tuple[str, str], ...] = ()  # own name, object name: of those in a clash
        self.left_out: list[str] = []  # fields that today's Tinkerbell has no place for
        found = list(documents)
        for document in found:
            if isinstance(document, Template):
                self._templates |= {document.name: document, document.id: document}
            elif isinstance(document, Hardware) and document.kubernetes is not None:
                self._hardware[_namespace(document), document.name] = document
        self._give_names(found)

    def text(self, document: Exportable) -> str:
        """The document as YAML for kubectl; `left_out` says what is not in it."""
        match document:
            case Hardware():
                value = self._of_hardware(document)
            case Template():
                value = self._of_template(document)
            case WorkflowRequest():
                value = self._of_request(document)
        return encode.encode_yaml(value)

    def name(self, document: Exportable) -> str:
        """The name of its object: unique in its kind and name space."""
        return self._names[_kind(document), _identity(document)]

    def _give_names(self, documents: Iterable[Exportable]) -> None:
        """Where several would have one name, all but one that is called so get a suffix.

        The suffix follows from what the document is, not from the others: an export of
        tomorrow gives the same.
        """
        clashes: dict[tuple[str, str, str], list[Exportable]] = {}
        for document in documents:
            key = (_kind(document), self._namespace_out(document), object_name(_own_name(document)))
            clashes.setdefault(key, []).append(document)
        renamed = []
        for (kind, _, name), same in clashes.items():
            called_so = [document for document in same if _own_name(document) == name]
            for document in same:
                is_alone = len(same) == 1 or called_so == [document]
                given = name if is_alone else _with_suffix(name, _identity(document))
                self._names[kind, _identity(document)] = given
                if not is_alone:
                    renamed.append((f"{kind} {_own_name(document)}", given))
        self.renamed = tuple(sorted(renamed))

    def _namespace_out(self, document: Exportable) -> str:
        """The name space of a document's object; a classic request's is its template's."""
        if document.kubernetes is None and isinstance(document, WorkflowRequest):
            template = self._templates.get(document.template)
            return _namespace(template) if template is not None else ""
        return _namespace(document)

    def _of_hardware(self, hardware: Hardware) -> Mapping[str, object]:
        if hardware.kubernetes is None:
            exported = _object("Hardware", self.name(hardware), _spec_of(hardware))
            exported = _annotated(exported, {kubernetes.ID_ANNOTATION: hardware.id})
        else:
            exported = portable(hardware.kubernetes, self.name(hardware))
        spec, path = exported["spec"], hardware.source.path
        if isinstance(spec.get("interfaces"), list):
            spec["interfaces"] = [
                go_types.fitting("Interface", interface, f"{path}: interfaces[{at}]", self.left_out)
                for at, interface in enumerate(spec["interfaces"])
            ]
        if "metadata" in spec:
            at = f"{path}: metadata"
            spec["metadata"] = go_types.fitting("Metadata", spec["metadata"], at, self.left_out)
        if kubernetes.hardware_identity(exported) != hardware.id:  # it was the uid, or the name
            exported = _annotated(exported, {kubernetes.ID_ANNOTATION: hardware.id})
        return exported

    def _of_template(self, template: Template) -> Mapping[str, object]:
        if template.kubernetes is not None:
            return portable(template.kubernetes, self.name(template))
        return _object("Template", self.name(template), {"data": template.text})

    def _of_request(self, request: WorkflowRequest) -> Mapping[str, object]:
        if request.kubernetes is not None:
            exported = portable(request.kubernetes, self.name(request))
        else:
            exported = _object("Workflow", self.name(request), _spec_of_request(request))
            namespace = self._namespace_out(request)
            if namespace:
                exported["metadata"]["namespace"] = namespace
        spec = exported["spec"]
        template = self._templates.get(request.template)
        spec["templateRef"] = self.name(template) if template else object_name(request.template)
        machine = self._hardware.get((self._namespace_out(request), request.hardware_ref))
        if machine is not None:
            spec["hardwareRef"] = self.name(machine)
        annotations: dict[str, str] = {}
        if request.id is not None:
            annotations[kubernetes.ID_ANNOTATION] = request.id
        if request.start_timeout_seconds is not None:
            seconds = str(request.start_timeout_seconds)
            annotations[kubernetes.START_TIMEOUT_ANNOTATION] = seconds
        return _annotated(exported, annotations)


def export_kubernetes(document: Exportable) -> str:
    """Write one document as it goes out where it is alone."""
    return Export([document]).text(document)


def object_name(name: str) -> str:
    """Return the nearest name that Kubernetes allows."""
    plain = _DOTS.sub(".", _NO_NAME.sub("-", name.lower()))
    return plain.strip("-.")[:NAME_LENGTH].rstrip("-.") or "unnamed"


def portable(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A Kubernetes object as another cluster takes it: nothing in it of the one it came from."""
    metadata, _ = kubernetes.without_cluster(kubernetes.as_map(data.get("metadata")))
    annotations = kubernetes.as_map(metadata.pop("annotations", None))
    metadata = {key: value for key, value in metadata.items() if value is not None}
    kept = {key: value for key, value in data.items() if key not in ("metadata", "spec", "status")}
    exported = {**kept, "metadata": {**metadata, "name": name}}
    exported["spec"] = dict(kubernetes.as_map(data.get("spec")))
    return _annotated(exported, annotations)


def _annotated(data: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    if not annotations:
        return dict(data)
    metadata = data["metadata"]
    together = {**kubernetes.as_map(metadata.get("annotations")), **annotations}
    return {**data, "metadata": {**metadata, "annotations": together}}


def _kind(document: Exportable) -> str:
    match document:
        case Hardware():
            return "Hardware"
        case Template():
            return "Template"
    return "Workflow"


def _own_name(document: Exportable) -> str:
    """What people call it."""
    if document.kubernetes is not None:
        return str(kubernetes.as_map(document.kubernetes.get("metadata")).get("name", ""))
    match document:
        case Hardware():
            return document.name or document.host_name or document.id
        case Template():
            return document.name
    path = PurePosixPath(document.source.path)
    _, mark, number = document.source.path.rpartition("#")
    return f"{path.stem}-{number}" if mark and number.isdecimal() else path.stem


def _identity(document: Exportable) -> str:
    """What nothing else of its kind is."""
    match document:
        case Hardware():
            return document.id
        case Template():
            return document.name
    return document.source.path


def _namespace(document: Exportable) -> str:
    """Its name space; "" for the default one, and where it says none."""
    data = document.kubernetes or {}
    named = str(kubernetes.as_map(data.get("metadata")).get("namespace") or "")
    return "" if named == kubernetes.DEFAULT_NAMESPACE else named


def _with_suffix(name: str, identity: str) -> str:
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{name[: NAME_LENGTH - 1 - _SUFFIX_LENGTH].rstrip('-.')}-{digest[:_SUFFIX_LENGTH]}"


def _object(kind: str, name: str, spec: Mapping[str, object]) -> dict[str, Any]:
    return {
        "apiVersion": kubernetes.API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def _spec_of(hardware: Hardware) -> Mapping[str, object]:
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
    return spec


def _spec_of_request(request: WorkflowRequest) -> Mapping[str, object]:
    spec: dict[str, object] = {"templateRef": ""}
    if request.hardware_ref:
        spec["hardwareRef"] = request.hardware_ref
    spec["hardwareMap"] = {name: _text(value) for name, value in request.hardware.items()}
    if request.disabled:
        spec["disabled"] = True
    return spec


def _interface(interface: Mapping[str, Any]) -> Mapping[str, object]:
    """A classic interface by the names of today."""
    dhcp = interface.get("dhcp")
    if isinstance(dhcp, Mapping) and isinstance(dhcp.get("classless_static_routes"), list):
        routes = [
            _renamed(route, {"gateway": "router"}) for route in dhcp["classless_static_routes"]
        ]
        interface = {**interface, "dhcp": {**dhcp, "classless_static_routes": routes}}
    if not isinstance(interface.get("netboot"), Mapping):
        return interface
    netboot = _renamed(interface["netboot"], _NETBOOT)
    if isinstance(netboot.get("osie"), Mapping):
        netboot["osie"] = _renamed(netboot["osie"], _OSIE)
    return {**interface, "netboot": netboot}


def _renamed(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in data.items()}


def _text(value: object) -> str:
    """Kubernetes takes nothing but text in a device map."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
