"""The documents of classic tink: a machine's data, and a workflow request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from provisioner.documents import json_text, schema_check
from provisioner.documents.interface_reader import (
    NetbootNames,
    places_of,
    read_interfaces,
    with_macs,
)
from provisioner.documents.json_text import NotJson
from provisioner.documents.problems import Problems
from provisioner.documents.workflow_text import LONGEST_SECONDS
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model.hardware import Hardware, Source
from provisioner.model.ids import (
    HardwareId,
    InvalidId,
    WorkflowId,
    parse_uuid,
)
from provisioner.model.problem import Problem
from provisioner.model.workflow import WorkflowRequest

_encode_meaning = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_DUMP_HINT = "this is a dump; turn it into repository files with: tink import FILE"


def decode_hardware(
    document: Document, *, source: Source
) -> tuple[Hardware | None, tuple[Problem, ...]]:
    """Read a machine's data in classic tink's shape."""
    problems = Problems(document, path=source.path)
    data = document.data
    if isinstance(data, dict) and isinstance(data.get("data"), list) and "id" not in data:
        problems.add((), "hardware.dump", "this is no single machine", hint=_DUMP_HINT)
        return None, problems.in_reading_order()
    data, reported = schema_check.check_as_go(data, "hardware", document=document, path=source.path)
    problems.found += reported
    if problems.has_errors or not isinstance(data, dict):
        return None, problems.in_reading_order()
    identity = read_uuid(problems, ("id",), data["id"], code="hardware.id")
    network = data.get("network") or {}
    entries = network.get("interfaces") or []
    where: Path = ("network", "interfaces")
    interfaces = read_interfaces(problems, where, entries, names=NetbootNames())
    if problems.has_errors:
        return None, problems.in_reading_order()
    shape = {**data, "id": identity, "network": {"interfaces": with_macs(entries, interfaces)}}
    if "network" not in data:
        del shape["network"]
    if isinstance(data.get("metadata"), str):
        shape["metadata"] = _unpacked(data["metadata"])
    hardware = Hardware(
        id=HardwareId(identity),
        interfaces=interfaces,
        document=shape,
        source=source,
        places=places_of(problems, where, interfaces) | {identity: problems.place(("id",))},
    )
    return hardware, problems.in_reading_order()


def decode_request(
    document: Document, *, source: Source
) -> tuple[WorkflowRequest | None, tuple[Problem, ...]]:
    """Read a workflow request: a template, the device map, an id."""
    problems = Problems(document, path=source.path)
    data = document.data
    problems.found += schema_check.check(data, "workflow", document=document, path=source.path)
    if problems.has_errors or not isinstance(data, dict):
        return None, problems.in_reading_order()
    identity = None
    if "id" in data:
        identity = WorkflowId(read_uuid(problems, ("id",), data["id"], code="workflow.id"))
    hardware = data.get("hardware", {})
    start_timeout = data.get("start_timeout")
    if start_timeout is not None:
        start_timeout = min(int(start_timeout), LONGEST_SECONDS)  # 600.0 is an integer
    request = WorkflowRequest(
        id=identity,
        template=data["template"],
        hardware=hardware,
        start_timeout_seconds=start_timeout,
        digest=request_digest(
            data["template"], hardware, identity=identity, start_timeout=start_timeout
        ),
        source=source,
    )
    return None if problems.has_errors else request, problems.in_reading_order()


def request_digest(
    template: str,
    hardware: Mapping[str, object],
    *,
    identity: str | None,
    hardware_ref: str = "",
    start_timeout: int | None = None,
) -> str:
    """Name the meaning of a request; comments, layout and the order of keys don't count."""
    meaning: dict[str, object] = {"hardware": hardware, "id": identity, "template": template}
    if hardware_ref:
        meaning["hardware_ref"] = hardware_ref
    if start_timeout is not None:
        meaning["start_timeout"] = start_timeout
    text = _encode_meaning(meaning)
    return hashlib.sha256(text.encode()).hexdigest()


def read_uuid(problems: Problems, where: Path, text: str, *, code: str) -> str:
    try:
        return parse_uuid(text)
    except InvalidId as error:
        problems.invalid(where, code, error, text)
        return ""


def _unpacked(metadata: str) -> object:
    """Classic tink stores metadata as a text that holds JSON, and prints it as JSON."""
    try:
        return json_text.load(metadata)
    except NotJson:
        return metadata
