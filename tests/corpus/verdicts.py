"""What do we say of a real file, beside what real tink says?

The folder is laid out as `templates|hardware|workflows` / `classic|crd`; `VERDICTS.tsv` and
`HARDWARE_VERDICTS.tsv` tell what the real validators say of the classic files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gotemplate import InvalidTemplate
from gotemplate import template as go_template
from provisioner.documents import device_map, workflow_text
from provisioner.documents.decode import Decoded, decode_file
from provisioner.model.ids import InvalidId, parse_uuid
from provisioner.model.problem import InvalidInput, Severity
from provisioner.model.template import Template

MAC = "08:00:27:00:00:01"
_OK = "OK"
_FIELD = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)")
_MACHINE = {
    "Disks": ["/dev/sda"],
    "Interfaces": [],
    "UserData": "",
    "VendorData": "",
    "Metadata": {"Instance": {"OperatingSystem": {}, "Hostname": "m"}, "Facility": {}},
}
# Why we may accept what classic tink refuses (docs/compat.md): the Kubernetes-era renderer
# accepts the file, it uses what that era brought, or only the raw text was no YAML.
_KINDER = re.compile(
    r"cannot unmarshal !!map into string|function \"\w+\" not defined|invalid action image"
    r"|map has no entry for key \"(?:Hardware|hardware|Targets|Values)\""
)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused as real tink does"
    KINDER = "kinder on purpose"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    group: str
    name: str
    verdict: Verdict
    reason: str = ""


def judge(corpus: Path) -> Iterator[Judged]:
    yield from _classic_templates(corpus)
    yield from _classic_hardware(corpus)
    yield from _device_maps(corpus)
    for folder in ("hardware", "templates", "workflows"):
        yield from _kubernetes_files(corpus, folder)


def _classic_templates(corpus: Path) -> Iterator[Judged]:
    for row in _rows(corpus / "VERDICTS.tsv"):
        name, created, rendered = row[0], row[2], row[3]
        content = (corpus / "templates" / "classic" / name).read_bytes()
        decoded = decode_file(path="templates/x.yaml", blob_id="", content=content)
        said = _first_error(decoded) or _run(
            decoded.templates[0], _data(content, {"Hardware": _MACHINE})
        )
        real = created if created != _OK else rendered
        yield _compared("classic templates", name, real=real, said=said, newer=row[4])


def _classic_hardware(corpus: Path) -> Iterator[Judged]:
    for row in _rows(corpus / "HARDWARE_VERDICTS.tsv"):
        content = (corpus / "hardware" / "classic" / row[0]).read_bytes()
        said = _first_error(decode_file(path="hardware/x.json", blob_id="", content=content))
        real = _OK if row[1] == "ok" and _is_uuid(row[2]) else "invalid json or id"
        yield _compared("classic hardware", row[0], real=real, said=said)


def _device_maps(corpus: Path) -> Iterator[Judged]:
    for path in sorted((corpus / "workflows" / "classic").iterdir()):
        try:
            device_map.parse_device_map(path.read_text())
            said = ""
        except InvalidInput as invalid:
            said = invalid.message
        yield _compared("device maps", path.name, real=_OK, said=said)


def _kubernetes_files(corpus: Path, folder: str) -> Iterator[Judged]:
    group = f"Kubernetes-era {folder}"
    for path in sorted((corpus / folder / "crd").iterdir()):
        content = path.read_bytes()
        decoded = decode_file(path=f"{folder}/x.yaml", blob_id="", content=content)
        errors = [each for each in decoded.problems if each.severity is Severity.ERROR]
        said = _first_error(decoded)
        for template in decoded.templates:
            said = said or _run(template, _data(content, {"Hardware": _MACHINE}))
        values = (*decoded.hardware, *decoded.templates, *decoded.requests)
        if not said:
            reason = "" if values else "none of the three kinds: told in warnings"
            yield Judged(group=group, name=path.name, verdict=Verdict.ACCEPTED, reason=reason)
            continue
        has_place = all(each.line for each in errors)
        verdict = Verdict.REFUSED if has_place else Verdict.WRONG
        yield Judged(group=group, name=path.name, verdict=verdict, reason=said)


def _compared(group: str, name: str, *, real: str, said: str, newer: str = "") -> Judged:
    if not said:
        kinder = newer == _OK or _KINDER.search(real)
        verdict = Verdict.KINDER if kinder else Verdict.WRONG
        if real == _OK:
            verdict = Verdict.ACCEPTED
    else:
        verdict = Verdict.WRONG if real == _OK else Verdict.REFUSED
    return Judged(group=group, name=name, verdict=verdict, reason=said or real)


def _run(template: Template, data: Mapping[str, object]) -> str:
    """Render and read; return what went wrong."""
    try:
        parsed = go_template.parse(template.text, name=template.source.path)
        workflow_text.parse_workflow(parsed.render(data), path=template.source.path)
    except (InvalidInput, InvalidTemplate) as invalid:
        return str(invalid.problems[0])
    return ""


def _data(content: bytes, more: Mapping[str, object]) -> dict[str, object]:
    """Every key that the text mentions stands for a MAC, as when the verdicts were made."""
    text = content.decode(errors="replace")
    expressions = " ".join(re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL))
    keys = _FIELD.findall(expressions)
    return {key: MAC for key in keys if key not in _MACHINE and key != "Hardware"} | dict(more)


def _first_error(decoded: Decoded) -> str:
    errors = (each for each in decoded.problems if each.severity is Severity.ERROR)
    return next((str(each) for each in errors), "")


def _is_uuid(text: str) -> bool:
    try:
        parse_uuid(text)
    except InvalidId:
        return False
    return True


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter="\t"))[1:]
