"""The fields of a template, read as classic tink's YAML library reads them.

Every scalar may stand for a text and keeps what was written (`1.50`, `yes`, `0x10`); a
number may not be quoted; an empty value is the zero of its type.  Every mistake is reported
at its place, in that library's words, with a hint.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from provisioner.documents.problems import Problems
from provisioner.documents.yaml_composer import MAX_PROBLEMS, Stopped
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model.problem import Problem, Severity

_T = TypeVar("_T")

_TAGS = {str: "str", bool: "bool", int: "int", float: "float", list: "seq", dict: "map"}
_GROUPED = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_LEADING_NUMBER = re.compile(r"\s*([0-9]+)\s*(s|sec|secs|seconds?)?\s*\Z")
_INT64 = 2**63
MAX_ENTRIES = 50_000  # 1,000 actions with 50 variables each


class FieldReader:
    """Reads the fields of one document and gathers the problems."""

    def __init__(
        self,
        document: Document,
        *,
        path: str,
        is_open: Callable[[str], bool] = lambda text: False,
        is_strict: bool = True,
    ) -> None:
        """`is_open` says that a text isn't known yet, so that its type can't be judged.

        Unless `is_strict`, an unknown field is a warning, and one called `x-…` is nobody's.
        """
        self._document = document
        self._is_open = is_open
        self._problems = Problems(document, path=path)
        self._entries = 0
        self.is_strict = is_strict
        self.met_open = False  # a part is not known yet, and so neither is what is missing

    @property
    def problems(self) -> list[Problem]:
        """In the order in which they were found."""
        return self._problems.found

    def fields(self, where: Path, value: object, known: tuple[str, ...], kind: str) -> FieldsOf:
        """Open the map at a place; an unknown key in it is a problem."""
        if value is None:
            return FieldsOf(self, where, {})
        if not isinstance(value, dict):
            self.mismatch(where, value, kind)
            return FieldsOf(self, where, {})
        for key in value:
            if key not in known and self._is_open(key):
                self.met_open = True
            elif key not in known and (self.is_strict or not key.startswith("x-")):
                near = difflib.get_close_matches(key.lower(), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
                text = f"field {key[:60]} not found in type {kind}"
                severity = Severity.ERROR if self.is_strict else Severity.WARNING
                place = (*where, key)
                self.problem(
                    place, "template.unknown", text, hint=hint, at_key=True, severity=severity
                )
        return FieldsOf(self, where, value)

    def text(self, where: Path, value: object) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, (list, dict)):
            hint = ""
            if isinstance(value, dict) and len(value) <= 1:
                hint = 'a text that holds "{{" or ": " needs quotes'
            self.mismatch(where, value, "string", hint=hint)
            return ""
        return self._document.source(where) or json.dumps(value)

    def integer(self, where: Path, value: object) -> int:
        if value is None:
            return 0
        if isinstance(value, float):
            value = int(value)
        if isinstance(value, str) and _GROUPED.match(value) and self._document.is_plain(where):
            value = int(value.replace("_", ""))
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _INT64:
            self.mismatch(where, value, "int64", hint=_number_hint(value))
            return 0
        return value

    def flag(self, where: Path, value: object) -> bool | None:
        """Read true or false; None when nothing stands there."""
        if value is None or isinstance(value, bool):
            return value
        known = {"yes": True, "on": True, "no": False, "off": False}
        if isinstance(value, str) and value.lower() in known and self._document.is_plain(where):
            return known[value.lower()]
        self.mismatch(where, value, "bool", hint="write true or false")
        return None

    def texts(self, where: Path, value: object) -> tuple[str, ...]:
        return tuple(self.text(place, item) for place, item in self.items(where, value, "[]string"))

    def items(self, where: Path, value: object, kind: str) -> Iterator[tuple[Path, object]]:
        if value is None:
            return
        if not isinstance(value, list):
            hint = ""
            if isinstance(value, str) and kind == "[]string":
                hint = f"write a list: {json.dumps(value.split()[:9], ensure_ascii=False)}"
            self.mismatch(where, value, kind, hint=hint)
            return
        for index, item in enumerate(value):
            yield (*where, index), item

    def text_map(self, where: Path, value: object) -> Mapping[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            hint = (
                "write NAME: value, one a line, without dashes" if isinstance(value, list) else ""
            )
            self.mismatch(where, value, "map[string]string", hint=hint)
            return {}
        return {key: self.text((*where, key), content) for key, content in value.items()}

    def mismatch(self, where: Path, value: object, kind: str, *, hint: str = "") -> None:
        if isinstance(value, str) and self._is_open(value):
            self.met_open = self.met_open or kind != "int64"
            return
        tag = _TAGS.get(type(value), "null")
        shown = ""
        if not isinstance(value, (list, dict)):
            written = self._document.source(where) or str(value)
            shown = f" `{written if len(written) <= 60 else written[:57] + '…'}`"
        text = f"cannot unmarshal !!{tag}{shown} into {kind}"
        self.problem(where, "template.type", text, hint=hint)

    def problem(
        self,
        where: Path,
        code: str,
        message: str,
        *,
        hint: str = "",
        at_key: bool = False,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self._problems.add(where, code, message, hint=hint, severity=severity, at_key=at_key)
        if len(self.problems) >= MAX_PROBLEMS:
            raise Stopped

    def spend(self, where: Path, entries: int) -> None:
        """Count what is merged into actions; a task's environment is in each of them."""
        self._entries += entries
        if self._entries > MAX_ENTRIES:
            text = f"the actions have more than {MAX_ENTRIES:,} variables and volumes in all"
            self.problem(where, "template.limit", text)
            raise Stopped


class FieldsOf:
    """The fields of one map."""

    def __init__(self, reader: FieldReader, where: Path, value: Mapping[str, object]) -> None:
        self.where = where
        self._reader = reader
        self._value = value

    @property
    def is_strict(self) -> bool:
        return self._reader.is_strict

    def text(self, name: str) -> str:
        return self._read(name, self._reader.text)

    def integer(self, name: str) -> int:
        return self._read(name, self._reader.integer)

    def flag(self, name: str) -> bool | None:
        return self._read(name, self._reader.flag)

    def texts(self, name: str) -> tuple[str, ...]:
        return self._read(name, self._reader.texts)

    def text_map(self, name: str) -> Mapping[str, str]:
        return self._read(name, self._reader.text_map)

    def map(self, name: str, known: tuple[str, ...], kind: str) -> FieldsOf:
        return self._reader.fields((*self.where, name), self._value.get(name), known, kind)

    def items(self, name: str, kind: str) -> Iterator[tuple[Path, object]]:
        return self._reader.items((*self.where, name), self._value.get(name), kind)

    def problem(self, name: str, code: str, message: str, *, hint: str = "") -> None:
        self._reader.problem((*self.where, name), code, message, hint=hint)

    def warn(self, name: str, code: str, message: str, *, hint: str = "") -> None:
        place = (*self.where, name)
        self._reader.problem(place, code, message, hint=hint, severity=Severity.WARNING)

    def _read(self, name: str, read: Callable[[Path, object], _T]) -> _T:
        return read((*self.where, name), self._value.get(name))


def _number_hint(value: object) -> str:
    found = _LEADING_NUMBER.match(value) if isinstance(value, str) else None
    return f"write the seconds as a plain number: {found[1]}" if found else "write a plain number"
