"""YAML and JSON texts, with the line and column of each part.

PyYAML's C parser delivers the events: 54 µs for a hardware file of 0.6 KB, where pure
Python needs 2 ms.  It is libyaml 0.2.5, of which Go's library is a translation, so that
both accept and refuse alike (docs/adr/0002-yaml-events.md).  The parser is not recursive;
its composer is, and kills the process on 50,000 brackets.  So the composer is ours: a loop
that counts depth, nodes and aliases as it goes.  Scalars are those of YAML 1.2's core
schema, so that `52:54:00:12:34:56` and `no` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from yaml._yaml import CParser
from yaml.error import YAMLError

from provisioner.documents import json_text, yaml_syntax
from provisioner.documents.json_text import NotJson
from provisioner.documents.yaml_composer import (
    LIMIT_CODES,
    Composer,
    Entry,
    Limits,
    Stopped,
)
from provisioner.model.problem import Problem

Path = tuple[str | int, ...]
Place = tuple[int, int]

# A hardware file is 1 KB and 100 nodes, the largest template seen in the wild 15 KB.
FILE_LIMITS = Limits(
    size_bytes=1_048_576, nodes=50_000, depth=json_text.MAX_DEPTH, aliases=100, documents=1_000
)
# What `tink import` reads is a dump of a whole cluster, by a person, on their own machine.
DUMP_LIMITS = Limits(
    size_bytes=64 * 1_048_576,
    nodes=5_000_000,
    depth=json_text.MAX_DEPTH,
    aliases=100,
    documents=100_000,
)

MAX_BROKEN_DOCUMENTS = 10  # after each the text is read again from the next one
_FRAME_EVENTS = 4  # a stream and its document begin and end
# What JSON allows and the C parser refuses: halves of a surrogate pair, and leading tabs.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: plain data, and where each part of it stands.

    `find_entry` stands in for `entry` where nobody had to know the places so far.
    """

    data: object
    entry: Entry | None = None
    find_entry: Callable[[], Entry | None] | None = None

    def place(self, path: Path) -> Place:
        """Return line and column of the value at a path, or of its nearest parent."""
        return self._find(path)[1]

    def key_place(self, path: Path) -> Place:
        """Return line and column of the key that leads to the value at a path."""
        return self._find(path)[0]

    def source(self, path: Path) -> str:
        """Return the scalar at a path as it was written: `1.50`, not 1.5."""
        entry = self._find(path)[2]
        return str(entry[2].value) if entry and entry[2] is not None else ""

    def is_plain(self, path: Path) -> bool:
        """Say whether the scalar at a path was written without quotes and tag."""
        entry = self._find(path)[2]
        return bool(entry and entry[2] is not None and entry[2].implicit[0])

    def style(self, path: Path) -> str:
        """Return how the scalar at a path was written: `|`, `>`, a quote or nothing."""
        entry = self._find(path)[2]
        return str(entry[2].style or "") if entry and entry[2] is not None else ""

    def _find(self, path: Path) -> tuple[Place, Place, Entry | None]:
        entry = self.find_entry() if self.find_entry else self.entry
        if entry is None:
            return (0, 0), (0, 0), None
        key_event = event = entry[0]
        for step in path:
            children = entry[1]
            if isinstance(children, dict) and step in children:
                key_event, entry = children[str(step)]
            elif isinstance(children, list) and isinstance(step, int) and step < len(children):
                entry = children[step]
                key_event = entry[0]
            else:
                break
            event = entry[0]
        return _place_of(key_event), _place_of(event), entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What could be read, and what was wrong.  Both may be filled."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(
    content: bytes | str,
    *,
    path: str,
    as_json: bool = False,
    is_1_1: bool = False,
    limits: Limits = FILE_LIMITS,
) -> Reading:
    """Read every document of a text.  Never raises for what the text holds.

    `is_1_1`: by YAML 1.1; what JSON can't hold raises `UnreadableText` then.
    """
    size = len(content)
    if size > limits.size_bytes:
        return _one_problem(
            path, "file.size", f"the file has {size:,} bytes; {limits.size_bytes:,} are allowed"
        )
    text, problems = yaml_syntax.decode(content, path=path)
    if text is None:
        return Reading(problems=problems)
    if as_json:
        return _read_json(text, path=path, limits=limits)
    reading = _read_yaml(text, path=path, limits=limits, is_1_1=is_1_1)
    return Reading(documents=reading.documents, problems=(*problems, *reading.problems))


def _read_yaml(text: str, *, path: str, limits: Limits, is_1_1: bool = False) -> Reading:
    composer = Composer(path=path, limits=limits, is_1_1=is_1_1)
    problems: list[Problem] = []
    begun = (0, 0)  # offset and lines before it
    with suppress(Stopped):
        for _ in range(MAX_BROKEN_DOCUMENTS):
            offset, lines = begun
            try:
                composer.compose(_events("\n" * lines + text[offset:]))
                break
            except YAMLError as error:
                reported = yaml_syntax.syntax_problem(error, text, path=path)
            # An unquoted {{ … }} is reported already, and is why the line makes no sense.
            if not any(problem.line == reported.line for problem in composer.problems):
                problems.append(reported)
            begun = _next_document(text, begun, reported.line)
            if not begun[0]:
                break
    problems = sorted(
        [*composer.problems, *problems], key=lambda problem: (problem.line, problem.column)
    )
    documents = tuple(Document(data=data, entry=entry) for data, entry in composer.documents)
    return Reading(documents=documents, problems=tuple(problems))


def _next_document(text: str, begun: tuple[int, int], line: int) -> tuple[int, int]:
    """Find where a document begins at or after a line; offset 0 when none does."""
    offset, lines = begun
    while line and (found := text.find("\n---", offset)) >= 0:
        lines += text.count("\n", offset, found + 1)
        offset = found + 1
        if lines >= line - 1:
            return offset, lines
    return 0, 0


def _read_json(text: str, *, path: str, limits: Limits) -> Reading:
    """JSON is YAML, nearly: Python's reader settles what is JSON, ours finds the places.

    Finding them takes nine tenths of the time, so that of a plain text they are found when
    somebody asks.
    """
    if _is_plain(text, limits):
        with suppress(NotJson):
            data = json_text.load_strictly(text)
            return Reading(documents=(Document(data=data, find_entry=_Places(text, limits)),))
    return _read_json_with_places(text, path=path, limits=limits)


def _is_plain(text: str, limits: Limits) -> bool:
    """Whether a JSON text keeps to the limits, and its keys are those that YAML sees.

    A node takes a character at least.  Escapes and wide characters are where the two differ.
    """
    return (
        len(text) + _FRAME_EVENTS <= limits.nodes
        and text.count("{") + text.count("[") <= limits.depth
        and text.isascii()
        and "\\u" not in text
    )


class _Places:
    """Finds the places of a JSON text once: a `cache` would cost as much as reading it does."""

    __slots__ = ("_entry", "_limits", "_text")

    def __init__(self, text: str, limits: Limits) -> None:
        self._text: str | None = text
        self._limits = limits
        self._entry: Entry | None = None

    def __call__(self) -> Entry | None:
        if self._text is not None:
            text, self._text = self._text, None
            self._entry = _json_entry(_read_as_yaml(text, path="", limits=self._limits))
        return self._entry


def _read_as_yaml(text: str, *, path: str, limits: Limits) -> Reading:
    # Both replacements keep the length, so that the places stay true.
    plain = _SURROGATE.sub(r"\\u0041", text).replace("\t", " ")
    return _read_yaml(plain, path=path, limits=limits)


def _json_entry(places: Reading) -> Entry | None:
    return places.documents[0].entry if len(places.documents) == 1 else None


def _read_json_with_places(text: str, *, path: str, limits: Limits) -> Reading:
    places = _read_as_yaml(text, path=path, limits=limits)
    past_limit = [problem for problem in places.problems if problem.code in LIMIT_CODES]
    if past_limit:
        return Reading(problems=tuple(past_limit))
    try:
        data = json_text.load(text)
    except NotJson as error:
        numbers = tuple(problem for problem in places.problems if problem.code == "yaml.number")
        if numbers and not error.position:
            return Reading(problems=numbers)
        before = text[: error.position]
        problem = Problem(
            path=path,
            line=before.count("\n") + 1,
            column=len(before.rpartition("\n")[2]) + 1,
            code="json.syntax",
            message=f"invalid json: {error.message}",
            hint=_json_hint(error.message),
        )
        return Reading(problems=(problem,))
    twice = tuple(problem for problem in places.problems if problem.code == "yaml.duplicate")
    document = Document(data=data, entry=_json_entry(places))
    return Reading(documents=(document,), problems=twice)


def _json_hint(message: str) -> str:
    if message.startswith("Extra data"):
        return "write one document a file; tink import does it for you"
    return "text wants double quotes" if message.startswith("Expecting value") else ""


def _events(text: str) -> Iterator[object]:
    parser = CParser(text)
    while (event := parser.get_event()) is not None:
        yield event


def _place_of(event: object) -> Place:
    mark = event.start_mark  # type: ignore[attr-defined]  # the C events have no stubs
    return mark.line + 1, mark.column + 1


def _one_problem(path: str, code: str, message: str) -> Reading:
    return Reading(problems=(Problem(path=path, code=code, message=message),))
