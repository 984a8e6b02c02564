"""How a machine looks: in classic tink's tables, in its JSON, and in ours."""

from __future__ import annotations

import json
from collections.abc import Iterator

from provisioner.cli import table
from provisioner.cli.printing import Listed
from provisioner.model.hardware import Hardware, Interface

COLUMNS = table.columns("ID", "MAC Address", "IP Address", "Hostname")
COLUMNS_WIDE = (*COLUMNS, *table.columns("Arch", "PXE", "Workflow", "File"))
ONE_COLUMNS = table.columns("Field Name", "Value")


def rows(machine: Hardware) -> Iterator[list[object]]:
    """One row per interface; a machine without any still has its id shown."""
    for interface in machine.interfaces or (Interface(),):
        yield [machine.id, interface.mac or "", interface.ip or "", interface.hostname]


def rows_wide(machine: Hardware) -> Iterator[list[object]]:
    for row, interface in zip(rows(machine), machine.interfaces or (Interface(),), strict=True):
        allowed = (interface.allow_pxe is not False, interface.allow_workflow is not False)
        flags = (str(flag).lower() for flag in allowed)
        yield [*row, interface.arch, *flags, machine.source.path]


def interface_rows(machine: Hardware, interface: Interface) -> list[tuple[str, object]]:
    return [
        ("ID", machine.id),
        ("MAC Address", interface.mac or ""),
        ("IP Address", interface.ip or ""),
        ("Hostname", interface.hostname),
    ]


def one_line(machine: Hardware) -> str:
    """The classic document as `tink hardware id` prints it: compact, top-level keys sorted."""
    ordered = {key: machine.document[key] for key in sorted(machine.document)}
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))


def data(machine: Hardware) -> dict[str, object]:
    return {key: machine.document[key] for key in sorted(machine.document)}


def classic_data(machine: Hardware) -> dict[str, object]:
    """`tink hardware get --format json` of v0.5: there, metadata is a string of JSON."""
    shown = data(machine)
    if "metadata" in shown:
        metadata = json.dumps(shown["metadata"], ensure_ascii=False, separators=(",", ":"))
        shown["metadata"] = metadata
    return shown


LISTED = Listed(
    columns=COLUMNS,
    rows=rows,
    wide_columns=COLUMNS_WIDE,
    wide_rows=rows_wide,
    ids=lambda machine: [machine.id for _ in machine.interfaces or (None,)],
    data=data,
    classic_data=classic_data,
)
