"""What do the documents of classic tink say: a machine's data, and a workflow request?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.documents import json_text, schema_check
from provisioner.documents.json_text import NotJson
from provisioner.documents.workflow_text import LONGEST_SECONDS
from provisioner.documents.yaml_reader import Document, Path, Place
from provisioner.model.hardware import Hardware, Interface, Source
from provisioner.model.ids import (
    HardwareId,
    InvalidId,
    IpAddress,
    MacAddress,
    WorkflowId,
    parse_ip,
    parse_mac,
    parse_uuid,
)
from provisioner.model.problem import Problem, Severity
from provisioner.model.workflow import WorkflowRequest

_encode_meaning = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_DUMP_HINT = "this is a dump; turn it into repository files with: tink import FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetbootNames:
    """How an era spells the two switches of an interface."""

    allow_pxe: str = "allow_pxe"
    allow_workflow: str = "allow_workflow"


class Problems:
    """Gathers the problems of one document at their places."""

    def __init__(self, document: Document, *, path: str) -> None:
        self._document = document
        self._path = path
        self.found: list[Problem] = []

    def add(
        self,
        where: Path,
        code: str,
        message: str,
        *,
        hint: str = "",
        severity: Severity = Severity.ERROR,
        at_key: bool = False,
    ) -> None:
        line, column = self._document.key_place(where) if at_key else self.place(where)
        told = Problem(
            path=self._path,
            line=line,
            column=column,
            code=code,
            message=message,
            hint=hint,
            severity=severity,
        )
        self.found.append(told)

    def place(self, where: Path) -> Place:
        return self._document.place(where)

    def invalid(self, where: Path, code: str, error: InvalidId, text: str) -> None:
        hint = schema_check.placeholder_hint(text) or error.hint
        self.add(where, code, error.message, hint=hint)

    @property
    def has_errors(self) -> bool:
        return any(each.severity is Severity.ERROR for each in self.found)

    def in_reading_order(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda each: (each.line, each.column)))


def decode_hardware(
    document: Document, *, source: Source
) -> tuple[Hardware | None, tuple[Problem, ...]]:
    """Read a machine's data in classic tink's shape."""
    problems = Problems(document, path=source.path)
    data = document.data
    if isinstance(data, dict) and isinstance(data.get("data"), list) and "id" not in data:
        problems.add((), "hardware.dump", "this is no single machine", hint=_DUMP_HINT)
        return None, problems.in_reading_order()
    data, told = schema_check.check_as_go(data, "hardware", document=document, path=source.path)
    problems.found += told
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


def read_interfaces(
    problems: Problems, base: Path, entries: Sequence[Any], *, names: NetbootNames
) -> tuple[Interface, ...]:
    """Read network interfaces; an address that stands twice in a document is a mistake."""
    interfaces: list[Interface] = []
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        dhcp = entry.get("dhcp") or {}
        netboot = entry.get("netboot") or {}
        ip = dhcp.get("ip") or {}
        where: Path = (*base, index, "dhcp")
        mac = _mac(problems, (*where, "mac"), dhcp.get("mac") or "")
        address = _ip(problems, (*where, "ip", "address"), ip.get("address") or "")
        for text, place in ((mac, (*where, "mac")), (address, (*where, "ip", "address"))):
            if text and text in seen:
                told = f"{text} is the address of interface {seen[text]} of this document already"
                problems.add(place, "hardware.duplicate", told)
            elif text:
                seen[text] = index
        interfaces.append(
            Interface(
                mac=mac,
                ip=address,
                netmask=ip.get("netmask", ""),
                gateway=ip.get("gateway", ""),
                hostname=dhcp.get("hostname", ""),
                lease_time_seconds=int(dhcp.get("lease_time", 0)),  # 86400.0 is an integer
                name_servers=tuple(dhcp.get("name_servers") or ()),
                time_servers=tuple(dhcp.get("time_servers") or ()),
                arch=dhcp.get("arch", ""),
                uefi=dhcp.get("uefi", False),
                allow_pxe=netboot.get(names.allow_pxe, False),
                allow_workflow=netboot.get(names.allow_workflow),
            )
        )
    return tuple(interfaces)


def places_of(problems: Problems, base: Path, interfaces: Sequence[Interface]) -> dict[str, Place]:
    """Tell where each address stands."""
    places: dict[str, Place] = {}
    for index, interface in enumerate(interfaces):
        if interface.mac:
            places[interface.mac] = problems.place((*base, index, "dhcp", "mac"))
        if interface.ip:
            places[interface.ip] = problems.place((*base, index, "dhcp", "ip", "address"))
    return places


def with_macs(entries: Sequence[Any], interfaces: Sequence[Interface]) -> list[Any]:
    """Return the interfaces as written, the MACs in their one spelling."""
    return [
        {**entry, "dhcp": {**entry["dhcp"], "mac": interface.mac}} if interface.mac else entry
        for entry, interface in zip(entries, interfaces, strict=True)
    ]


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


def _mac(problems: Problems, where: Path, text: str) -> MacAddress | None:
    try:
        return parse_mac(text) if text else None
    except InvalidId as error:
        problems.invalid(where, "mac.format", error, text)
        return None


def _ip(problems: Problems, where: Path, text: str) -> IpAddress | None:
    try:
        return parse_ip(text) if text else None
    except InvalidId as error:
        problems.invalid(where, "ip.format", error, text)
        return None


def _unpacked(metadata: str) -> object:
    """Classic tink stores metadata as a text that holds JSON, and prints it as JSON."""
    try:
        return json_text.load(metadata)
    except NotJson:
        return metadata
