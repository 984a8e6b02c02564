"""Tinkerbell's Kubernetes-era documents, in our terms.

Hardware, Template and Workflow of tinkerbell.org/v1alpha1, alone, in a `List`, or several
in one file.  Nothing is dropped in silence: what has no effect here is named in a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from provisioner.documents import classic, interface_reader, schema_check, template_text
from provisioner.documents.interface_reader import NetbootNames
from provisioner.documents.problems import Problems
from provisioner.documents.workflow_text import LONGEST_SECONDS
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model.hardware import Hardware, Source
from provisioner.model.ids import (
    HardwareId,
    InvalidId,
    WorkflowId,
    hardware_id,
    parse_uuid,
    template_id,
)
from provisioner.model.problem import Severity
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRequest

API_GROUP = "tinkerbell.org"
API_VERSION = "tinkerbell.org/v1alpha1"
KINDS = ("Hardware", "Template", "Workflow")
DEFAULT_NAMESPACE = "default"
# Where an exported machine or workflow keeps its id, so that it has the same when it comes back.
ID_ANNOTATION = "tinkgit.dev/id"
# What a Workflow of Kubernetes has no field for.
START_TIMEOUT_ANNOTATION = "tinkgit.dev/start-timeout"

# What a cluster adds to the metadata of an object, and another one refuses or would not believe.
OF_THE_CLUSTER = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

_NETBOOT = NetbootNames(
    allow_pxe="allowPXE", allow_workflow="allowWorkflow", osie_base_url="baseURL"
)
_CLASSIC_NETBOOT = {"allowPXE": "allow_pxe", "allowWorkflow": "allow_workflow"}
_CLASSIC_OSIE = {"baseURL": "base_url"}
# A workflow that a cluster has begun must not begin again because its dump was committed.
NOT_BEGUN = (None, "", "STATE_PENDING", "WORKFLOW_STATE_PENDING", "PENDING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The values of one file's Kubernetes-era objects."""

    hardware: tuple[Hardware, ...] = ()
    templates: tuple[Template, ...] = ()
    requests: tuple[WorkflowRequest, ...] = ()


def is_kubernetes(data: object) -> bool:
    return isinstance(data, dict) and "apiVersion" in data and "kind" in data


def objects(document: Document) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield each object of a document, and the path that leads to it; a List has many."""
    waiting: list[tuple[Path, Any]] = [((), document.data)]
    while waiting:
        where, data = waiting.pop()
        items = data.get("items") if isinstance(data, dict) else None
        if isinstance(items, list) and str(data.get("kind", "")).endswith("List"):
            waiting += [((*where, "items", at), item) for at, item in enumerate(items)][::-1]
        elif isinstance(data, dict):
            yield where, data


def decode(problems: Problems, document: Document, *, source: Source, text: str) -> Found:
    """Read the objects of a document; `text` is the file's, to find block scalars in."""
    hardware: list[Hardware] = []
    templates: list[Template] = []
    requests: list[WorkflowRequest] = []
    for where, data in objects(document):
        kind = data.get("kind")
        if not _is_ours(problems, where, data):
            continue
        name = f"kubernetes/{kind}".lower()
        data, reported = schema_check.check_as_go(
            data, name, document=document, path=source.path, prefix=where
        )
        problems.found += reported
        if any(problem.severity is Severity.ERROR for problem in reported):
            continue
        _warn_of_unsupported(problems, where, data, schema_check.schema(name))
        match kind:
            case "Hardware":
                hardware += _hardware(problems, where, data, source)
            case "Template":
                templates += _template(problems, document, where, data, source=source, text=text)
            case _:
                requests += _request(problems, where, data, source)
    return Found(hardware=tuple(hardware), templates=tuple(templates), requests=tuple(requests))


def _is_ours(problems: Problems, where: Path, data: Mapping[str, Any]) -> bool:
    kind, version = data.get("kind"), str(data.get("apiVersion", ""))
    group = version.partition("/")[0]
    if group == API_GROUP and kind in KINDS:
        if version == API_VERSION:
            return True
        text = f"{kind} of {version[:60]} is not read, only that of {API_VERSION}"
        hint = "v1alpha2 is a proposal that no release serves; write it as v1alpha1"
        problems.add((*where, "apiVersion"), "kubernetes.version", text, hint=hint)
        return False
    text = f"{str(kind)[:60]!r} of {version[:60]!r} is not read here"
    hint = "a secret in git is open to all who can read it" if kind == "Secret" else ""
    problems.add((*where, "kind"), "kubernetes.ignored", text, hint=hint, severity=Severity.WARNING)
    return False


def _warn_of_unsupported(
    problems: Problems, where: Path, data: object, schema: Mapping[str, Any]
) -> None:
    if isinstance(data, list):
        for index, item in enumerate(data):
            _warn_of_unsupported(problems, (*where, index), item, schema.get("items", {}))
        return
    if not isinstance(data, dict):
        return
    for name, below in schema.get("properties", {}).items():
        if name not in data:
            continue
        if below.get("x-not-supported"):
            text = f"the field {name!r} is not supported and has no effect"
            problems.add(
                (*where, name),
                "kubernetes.unsupported",
                text,
                severity=Severity.WARNING,
                at_key=True,
            )
        else:
            _warn_of_unsupported(problems, (*where, name), data[name], below)


def _hardware(
    problems: Problems, where: Path, data: Mapping[str, Any], source: Source
) -> Iterator[Hardware]:
    data = {"spec": {}, **data}  # which its schema does not ask for
    spec = data["spec"]
    before = len(problems.found)
    entries = spec.get("interfaces", [])
    interfaces = interface_reader.read_interfaces(
        problems, (*where, "spec", "interfaces"), entries, names=_NETBOOT
    )
    if "id" in spec:
        classic.read_uuid(problems, (*where, "spec", "id"), spec["id"], code="hardware.id")
    if len(problems.found) > before:
        return
    identity = hardware_identity(data)
    with_macs = interface_reader.with_macs(entries, interfaces)
    yield Hardware(
        id=identity,
        name=data["metadata"]["name"],
        agent_id=spec.get("agentID", ""),
        interfaces=interfaces,
        document=classic_document(identity, {**spec, "interfaces": with_macs}),
        kubernetes=data,
        source=source,
        places=interface_reader.places_of(problems, (*where, "spec", "interfaces"), interfaces)
        | {identity: problems.place((*where, "metadata", "name"))},
    )


def hardware_identity(data: Mapping[str, Any]) -> HardwareId:
    """Return the id that the object brings, or the one that follows from its name."""
    metadata, spec = data["metadata"], data["spec"]
    instance = as_map(as_map(spec.get("metadata")).get("instance"))
    ours = as_map(metadata.get("annotations")).get(ID_ANNOTATION)
    for text in (ours, spec.get("id"), metadata.get("uid"), instance.get("id")):
        try:
            return HardwareId(parse_uuid(str(text)))
        except InvalidId:
            continue
    return hardware_id(str(metadata.get("namespace") or DEFAULT_NAMESPACE), metadata["name"])


def classic_document(identity: HardwareId, spec: Mapping[str, Any]) -> Mapping[str, object]:
    """Write a machine in classic tink's shape, as far as that has a place for it."""
    metadata = spec.get("metadata", {})
    if isinstance(metadata, dict):
        if "userData" in spec:
            metadata = {"userdata": spec["userData"], **metadata}
        if "vendorData" in spec:
            metadata = {"vendordata": spec["vendorData"], **metadata}
    interfaces = []
    for entry in spec.get("interfaces", []):
        interface = {key: entry[key] for key in ("dhcp",) if key in entry}
        if "netboot" in entry:
            netboot = {_CLASSIC_NETBOOT.get(k, k): v for k, v in entry["netboot"].items()}
            if "osie" in netboot:
                osie = netboot["osie"].items()
                netboot["osie"] = {_CLASSIC_OSIE.get(k, k): v for k, v in osie}
            interface["netboot"] = netboot
        interfaces.append(interface)
    return {"id": identity, "metadata": metadata, "network": {"interfaces": interfaces}}


def _template(
    problems: Problems,
    document: Document,
    where: Path,
    data: Mapping[str, Any],
    *,
    source: Source,
    text: str,
) -> Iterator[Template]:
    name, body = data["metadata"]["name"], data["spec"]["data"]
    first_line, indent = template_text.block_place(document, (*where, "spec", "data"), text)
    template = Template(
        id=template_id(name),
        name=name,
        text=body,
        source=source,
        first_line=first_line,
        is_kubernetes=True,
        kubernetes=data,
        indent=indent,
    )
    reported = template_text.check_early(template)
    problems.found += reported
    if not any(problem.severity is Severity.ERROR for problem in reported):
        yield template


def _request(
    problems: Problems, where: Path, data: Mapping[str, Any], source: Source
) -> Iterator[WorkflowRequest]:
    metadata, spec = data["metadata"], data["spec"]
    state = str(as_map(data.get("status")).get("state") or "")
    if state not in NOT_BEGUN:
        text = f"the workflow has begun in its cluster already ({state[:60]}); it is not run here"
        problems.add(
            (*where, "status", "state"),
            "kubernetes.begun",
            text,
            hint="to run it here, remove its status",
            severity=Severity.WARNING,
        )
        return
    identity = None
    ours = as_map(metadata.get("annotations")).get(ID_ANNOTATION)
    with suppress(InvalidId):  # written by hand; the workflow gets an id when it is created
        identity = WorkflowId(parse_uuid(str(ours or metadata.get("uid"))))
    template, device_map = spec["templateRef"], spec.get("hardwareMap", {})
    reference = spec.get("hardwareRef", "")
    start_timeout = _start_timeout(problems, (*where, "metadata", "annotations"), metadata)
    if start_timeout is not None and start_timeout < 0:
        return
    yield WorkflowRequest(
        id=identity,
        template=template,
        hardware=device_map,
        hardware_ref=reference,
        disabled=spec.get("disabled", False),
        toggles_netboot=as_map(spec.get("bootOptions")).get("toggleAllowNetboot", False),
        kubernetes=data,
        start_timeout_seconds=start_timeout,
        digest=classic.request_digest(
            template,
            device_map,
            identity=identity,
            hardware_ref=reference,
            start_timeout=start_timeout,
        ),
        source=source,
    )


def _start_timeout(problems: Problems, where: Path, metadata: Mapping[str, Any]) -> int | None:
    """Read the annotation, which is a text; a bad one is a problem, and -1."""
    text = as_map(metadata.get("annotations")).get(START_TIMEOUT_ANNOTATION)
    if text is None:
        return None
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 18:
        return min(int(text), LONGEST_SECONDS)
    message = f"expected a text of seconds, found {schema_check.describe(text)}"
    hint = f'{START_TIMEOUT_ANNOTATION}: "600"'
    problems.add((*where, START_TIMEOUT_ANNOTATION), "workflow.start-timeout", message, hint=hint)
    return -1


def without_cluster(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The metadata of an object as a person would have written it, and what was left out."""
    kept = dict(metadata)
    dropped = [name for name in OF_THE_CLUSTER if kept.pop(name, None) is not None]
    annotations = dict(as_map(kept.get("annotations")))
    if annotations.pop(LAST_APPLIED_ANNOTATION, None) is not None:
        kept["annotations"] = annotations
        dropped.append("last-applied-configuration")
    if not kept.get("annotations"):
        kept.pop("annotations", None)
    return kept, dropped


def as_map(value: object) -> Mapping[str, Any]:
    """The value itself where it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}
