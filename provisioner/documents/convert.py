"""Repository files from the dumps of other Tinkerbells.

Reads what classic tink prints (`-o json`, one JSON object a line, `hardware id`), what
kubectl prints (YAML, JSON, lists, several documents), and plain files.  Each object gets a
file of its own.  A workflow that has run, or may have run, is history and is left out:
its file would run it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from provisioner.documents import decode, encode, json_text, kubernetes, template_text, yaml_reader
from provisioner.documents.json_text import NotJson
from provisioner.documents.yaml_reader import DUMP_LIMITS
from provisioner.model.ids import template_id
from provisioner.model.problem import Problem, Severity

# `tink hardware mac -d` prints JSON behind the time of a log line.
_LOG_TIME = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?=\{)", re.MULTILINE)
_TASKS_LINE = re.compile(r"^tasks:", re.MULTILINE)
_NO_NAME = re.compile(r"[^a-z0-9._-]+")
_FOLDERS = {"Hardware": "hardware", "Template": "templates", "Workflow": "workflows"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a dump becomes.  Each line of `written`, `changed`, `unsupported` is for a person."""

    files: tuple[ImportedFile, ...] = ()
    written: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Import:
    """An import under way."""

    path: str
    files: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, folder: str, name: str, text: str) -> None:
        """Take in a file if it reads back; what it does not support is reported."""
        path = self._free(folder, name)
        decoded = decode.decode_file(path=path, blob_id="", content=text.encode())
        errors = [problem for problem in decoded.problems if problem.severity is Severity.ERROR]
        for problem in decoded.problems:
            where = f"{path}:{problem.line}" if problem.line else path
            if problem.severity is Severity.WARNING:
                self.unsupported.append(f"{where}: {problem.message}")
        if errors:
            self.problems += errors
            self.unsupported.append(f"{path}: not written, it has errors")
            return
        self.files[path] = text
        self.written.append(path)

    def _free(self, folder: str, name: str) -> str:
        stem = _NO_NAME.sub("-", name.lower()).strip("-.")[:100] or "unnamed"
        path, number = f"{folder}/{stem}.yaml", 2
        while path in self.files:
            path, number = f"{folder}/{stem}-{number}.yaml", number + 1
        return path


def import_documents(path: str, content: bytes) -> Imported:
    """Turn one file or stream into repository files; `path` is how problems name it."""
    run = _Import(path=path)
    text = content.decode(errors="replace").removeprefix("\ufeff")
    if _TASKS_LINE.search(text) and not decode.holds_kubernetes(text):
        _template(run, text, name="", old_id="")
    else:
        for item in _items(run, text):
            _import_item(run, item)
    return Imported(
        files=tuple(ImportedFile(path=at, text=text) for at, text in run.files.items()),
        written=tuple(run.written),
        changed=tuple(run.changed),
        unsupported=tuple(run.unsupported),
        problems=tuple(run.problems),
    )


def _items(run: _Import, text: str) -> Iterator[Mapping[str, Any]]:
    waiting = list(_documents(run, text))[::-1]
    while waiting:
        item = waiting.pop()
        inner = item.get("data") if isinstance(item, dict) else item
        if isinstance(inner, list):  # `{"data": […]}` of `-o json`, or a bare list
            waiting += inner[::-1]
        elif isinstance(item, dict):
            yield item
        elif item is not None:
            run.unsupported.append(f"{run.path}: {str(item)[:60]!r} is no object")


def _documents(run: _Import, text: str) -> Iterator[object]:
    stripped = _LOG_TIME.sub("", text).strip()
    if stripped[:1] in {"{", "["} and not stripped.startswith("{{"):
        try:
            yield from _json_stream(stripped)
            return
        except NotJson:
            pass  # flow style of YAML begins alike; the YAML reader says what is wrong
    reading = yaml_reader.read(text, path=run.path, limits=DUMP_LIMITS)
    run.problems += reading.problems
    yield from (document.data for document in reading.documents)


def _json_stream(text: str) -> list[object]:
    """Read JSON values one after the other: one a line, or each over many lines."""
    decoder = json.JSONDecoder()
    found: list[object] = []
    at = 0
    while at < len(text):
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise NotJson(str(error), at) from None
        found.append(json_text.load(text[at:end]))
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found


def _import_item(run: _Import, item: Mapping[str, Any]) -> None:
    if kubernetes.is_kubernetes(item):
        document = yaml_reader.Document(data=item, entry=None)
        for _, data in kubernetes.objects(document):
            _import_object(run, data)
    elif isinstance(item.get("data"), str) and "network" not in item and "hardware" not in item:
        name, old_id = str(item.get("name", "")), str(item.get("id", ""))
        _template(run, item["data"], name=name, old_id=old_id)
    elif isinstance(item.get("hardware"), str) or "template_id" in item:
        id_text = item.get("id", "without id")
        run.unsupported.append(
            f"workflow {id_text}: not imported, as it may have run already; to run it again:"
            " tink workflow create"
        )
    elif "template" in item:
        hardware = item.get("hardware", {})
        text = encode.encode_request(str(item.get("id", "")), item["template"], hardware)
        text = text if "id" in item else text.replace('id: ""\n', "", 1)
        run.add("workflows", str(item.get("id") or item["template"]), text)
    else:
        _hardware(run, item)


def _hardware(run: _Import, item: Mapping[str, Any]) -> None:
    """Write a machine's data; the reader settles its spelling."""
    content = json.dumps(item, ensure_ascii=False).encode(errors="replace")
    decoded = decode.decode_file(path="hardware/x.json", blob_id="", content=content)
    for hardware in decoded.hardware:
        name = next(
            (interface.hostname for interface in hardware.interfaces if interface.hostname),
            hardware.id,
        )
        if isinstance(item.get("metadata"), str):
            run.changed.append(f"hardware {hardware.id}: metadata is JSON now, not a text")
        run.add("hardware", name, encode.encode_hardware(hardware.document))
    id_text = str(item.get("id", "without id"))
    for problem in decoded.problems:
        run.unsupported.append(f"hardware {id_text}: {problem.message}")
        if problem.severity is Severity.ERROR:
            run.problems.append(
                Problem(
                    path=run.path,
                    code=problem.code,
                    message=f"hardware {id_text}: {problem.message}",
                )
            )


def _template(run: _Import, text: str, *, name: str, old_id: str) -> None:
    """Write a template's text unchanged.  Its id and name follow from the text."""
    own = template_text.static_name(text)
    if name and own and name != own:
        run.changed.append(f"template {name!r} is called {own!r} now, as its text says")
    if old_id and own:
        run.changed.append(f"template {own!r} has the id {template_id(own)} now, not {old_id}")
    run.add("templates", own or name or PurePosixPath(run.path).stem, text)


def _import_object(run: _Import, data: Mapping[str, Any]) -> None:
    kind, name = str(data.get("kind")), str(kubernetes.as_map(data.get("metadata")).get("name", ""))
    if not str(data.get("apiVersion", "")).startswith("tinkerbell.org/") or kind not in _FOLDERS:
        run.unsupported.append(f"{kind} {name}: not imported, Tinkerbell has no use for it here")
        return
    state = kubernetes.as_map(data.get("status")).get("state") if kind == "Workflow" else ""
    if state not in kubernetes.NOT_BEGUN:
        run.unsupported.append(f"workflow {name}: not imported, it has begun already ({state})")
        return
    tidy, dropped = _tidied(data)
    if dropped:
        run.changed.append(f"{kind} {name}: left out what the cluster added ({dropped})")
    folder = _FOLDERS[kind]
    body = kubernetes.as_map(data.get("spec")).get("data") if kind == "Template" else None
    is_all = tidy["metadata"].keys() <= {"name"}  # no name space, label or annotation to keep
    if is_all and isinstance(body, str) and template_text.static_name(body) == name:
        run.changed.append(f"Template {name}: written as plain template text")
        run.add(folder, name, body)
        return
    schema = encode.schema_line(f"kubernetes/{kind.lower()}", f"{folder}/x.yaml")
    run.add(folder, name, schema + encode.encode_yaml(tidy))


def _tidied(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the object as a person would have written it, and what was left out."""
    metadata, dropped = kubernetes.without_cluster(kubernetes.as_map(data.get("metadata")))
    if data.get("status"):
        dropped.append("status")
    order = ("apiVersion", "kind")
    tidy = {name: data[name] for name in order if name in data} | {"metadata": metadata}
    rest = {name: data[name] for name in data if name not in {*tidy, "status"}}
    return {**tidy, **rest}, ", ".join(dropped)
