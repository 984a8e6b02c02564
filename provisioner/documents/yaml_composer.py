"""Plain data from YAML events, with a place for each part and no recursion."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from yaml import events as yaml_events

from provisioner.documents import yaml_1_1
from provisioner.model.problem import Problem

# The parser's C events carry no types: `value`, `tag`, `anchor`, `implicit`, `start_mark`.
Event: TypeAlias = Any
# (event that tells the place, children, scalar event); a tuple costs a third of a dataclass.
Entry: TypeAlias = "tuple[Event, dict[str, tuple[Event, Entry]] | list[Entry] | None, Event | None]"

MAX_PROBLEMS = 100  # of one file: more help nobody
LIMIT_CODES = frozenset({"yaml.nodes", "yaml.depth", "yaml.aliases", "yaml.documents"})
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("-+.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NO_JSON_NUMBER = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")
_MAX_DIGITS = 400  # no 64-bit number has more; int() is quadratic
_CORE = "tag:yaml.org,2002:"
_MERGE = "<<"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    size_bytes: int
    nodes: int
    depth: int
    aliases: int
    documents: int


class Stopped(Exception):
    """A limit was passed; the problem is reported."""


@dataclass(slots=True)
class _Frame:
    """A mapping or sequence that has begun."""

    data: Any
    places: Any  # the children of its entry: a dict by key, or a list
    entry: Entry
    event: Event
    first_node: int
    is_mapping: bool
    is_key: bool = False  # it stands where a key should
    key: str | None = None
    key_event: Event = None
    merges: list[tuple[Any, Entry, Event]] = field(default_factory=list)


class Composer:
    """Composes documents from events; keeps what it found when a problem ends it."""

    def __init__(self, *, path: str, limits: Limits, is_1_1: bool = False) -> None:
        """`is_1_1`: plain scalars are read by YAML 1.1."""
        self._is_1_1 = is_1_1
        self.documents: list[tuple[object, Entry]] = []
        self.problems: list[Problem] = []
        self._path = path
        self._limits = limits
        self._nodes = 0
        self._aliases = 0
        self._anchors: dict[str, tuple[object, Entry, int]] = {}
        self._stack: list[_Frame] = []
        self._document: tuple[object, Entry] = (None, (None, None, None))

    def compose(self, events: Iterable[Event]) -> None:
        limits = self._limits
        stack = self._stack
        stack.clear()  # a document that broke off leaves its frames
        for event in events:
            self._nodes += 1
            if self._nodes > limits.nodes:
                self._stop(event, "yaml.nodes", f"the file has more than {limits.nodes:,} nodes")
            match type(event):
                case yaml_events.ScalarEvent:
                    frame = stack[-1] if stack else None
                    if frame and frame.is_mapping and frame.key is None:
                        self._key(frame, event)
                        continue
                    value = self._scalar(event)
                    entry: Entry = (event, None, event)
                    if event.anchor:
                        self._anchors[event.anchor] = (value, entry, 1)
                    self._add(value, entry)
                case yaml_events.MappingStartEvent:
                    self._begin(event, {}, (event, {}, None), is_mapping=True)
                case yaml_events.SequenceStartEvent:
                    self._begin(event, [], (event, [], None), is_mapping=False)
                case yaml_events.MappingEndEvent | yaml_events.SequenceEndEvent:
                    self._end()
                case yaml_events.AliasEvent:
                    self._alias(event)
                case yaml_events.DocumentEndEvent:
                    self.documents.append(self._document)
                case yaml_events.DocumentStartEvent:
                    self._anchors.clear()
                    if len(self.documents) >= limits.documents:
                        text = f"the file has more than {limits.documents:,} documents"
                        self._stop(event, "yaml.documents", text)

    def _begin(self, event: Event, data: object, entry: Entry, *, is_mapping: bool) -> None:
        stack = self._stack
        if len(stack) >= self._limits.depth:
            text = f"more than {self._limits.depth} levels are nested here"
            self._stop(event, "yaml.depth", text)
        if event.tag:
            expected = "map" if is_mapping else "seq"
            if event.tag not in {"!", _CORE + expected}:
                self._problem(event, "yaml.tag", f"the tag {_shown(event.tag)} is not known")
        parent = stack[-1] if stack else None
        is_key = bool(parent and parent.is_mapping and parent.key is None)
        if is_key and parent:
            self._key_is_no_text(parent, event, is_mapping=is_mapping)
        frame = _Frame(data, entry[1], entry, event, self._nodes, is_mapping, is_key)
        stack.append(frame)

    def _end(self) -> None:
        frame = self._stack.pop()
        for data, entry, event in frame.merges:
            self._merge(frame, data, entry, event)
        if frame.event.anchor:
            size = self._nodes - frame.first_node + 1
            self._anchors[frame.event.anchor] = (frame.data, frame.entry, size)
        if frame.is_key:  # reported already; what it leads to is read and left out
            self._stack[-1].key = ""
        else:
            self._add(frame.data, frame.entry)

    def _key(self, frame: _Frame, event: Event) -> None:
        key = event.value
        if self._is_1_1 and event.implicit[0] and not event.tag and key != _MERGE:
            key = yaml_1_1.resolve_key(key)
        if event.anchor:
            self._anchors[event.anchor] = (key, (event, None, event), 1)
        if key in frame.data or (key == _MERGE and frame.merges):
            first = frame.places[key][0].start_mark.line + 1 if key in frame.data else 0
            where = f", first on line {first}" if first else ""
            self._problem(event, "yaml.duplicate", f"the key {_shown(key)} stands twice{where}")
        frame.key = key
        frame.key_event = event

    def _key_is_no_text(self, parent: _Frame, event: Event, *, is_mapping: bool) -> None:
        opens, key = parent.event.start_mark, event.start_mark
        if is_mapping and parent.event.flow_style and key.index == opens.index + 1:
            self._problem(
                parent.event,
                "yaml.expression",
                "{{ … }} without quotes is no text in YAML",
                hint='put the whole value in quotes: "{{ … }}"',
            )
        else:
            self._problem(event, "yaml.key", "a key must be a text, not a list or a map")
        parent.key_event = None

    def _add(self, value: object, entry: Entry) -> None:
        if not self._stack:
            self._document = (value, entry)
            return
        frame = self._stack[-1]
        if not frame.is_mapping:
            frame.data.append(value)
            frame.places.append(entry)
            return
        key, event = frame.key, frame.key_event
        frame.key = frame.key_event = None
        if key is None or event is None:
            return
        if key == _MERGE and event.implicit[0]:
            frame.merges.append((value, entry, event))
        elif key not in frame.data:
            frame.data[key] = value
            frame.places[key] = (event, entry)

    def _alias(self, event: Event) -> None:
        self._aliases += 1
        if self._aliases > self._limits.aliases:
            text = f"more than {self._limits.aliases} aliases (*name)"
            self._stop(event, "yaml.aliases", text)
        frame = self._stack[-1] if self._stack else None
        known = self._anchors.get(event.anchor)
        if known is None:
            self._problem(event, "yaml.alias", f"no &{event.anchor} stands before this *")
            known = (None, (event, None, None), 1)
        value, entry, size = known
        self._nodes += size
        if self._nodes > self._limits.nodes:
            text = f"with its aliases the file has more than {self._limits.nodes:,} nodes"
            self._stop(event, "yaml.nodes", text)
        if frame and frame.is_mapping and frame.key is None:
            self._problem(event, "yaml.key", "a key must be a text, not an alias")
            frame.key, frame.key_event = "", None
        else:
            self._add(value, (event, entry[1], entry[2]))

    def _merge(self, frame: _Frame, data: object, entry: Entry, event: Event) -> None:
        """Apply `<<`: keys of its own win, then those of the first mapping merged."""
        sources: list[tuple[object, Entry]] = [(data, entry)]
        if isinstance(data, list) and isinstance(entry[1], list):
            sources = list(zip(data, entry[1], strict=True))
        for source, places in sources:
            if not isinstance(source, dict) or not isinstance(places[1], dict):
                self._problem(event, "yaml.merge", "<< wants a map or a list of maps")
                continue
            self._nodes += len(source)
            for key, value in source.items():
                if key not in frame.data:
                    frame.data[key] = value
                    frame.places[key] = places[1][key]

    def _scalar(self, event: Event) -> object:
        text: str = event.value
        tag = event.tag
        if event.implicit[0] and not tag:
            return self._plain(event, text)
        if not tag or tag in {"!", _CORE + "str"}:
            return text
        value = self._plain(event, text) if tag.startswith(_CORE) else text
        expected = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(
            tag.removeprefix(_CORE)
        )
        if expected is None:
            self._problem(event, "yaml.tag", f"the tag {_shown(tag)} is not known")
        elif expected is float and type(value) is int:
            return float(value)
        elif type(value) is not expected:
            self._problem(event, "yaml.tag", f"{_shown(text)} is no {tag.removeprefix(_CORE)}")
        return value

    def _plain(self, event: Event, text: str) -> object:
        if self._is_1_1:
            return yaml_1_1.resolve(text)
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMBER_START:
            return text
        if len(text) <= _MAX_DIGITS:
            if _INTEGER.match(text):
                return int(text)
            if _FLOAT.match(text):
                value = float(text)
                if math.isfinite(value):
                    return value
            elif _BASED.match(text):
                return int(text, 0)
            elif not _NO_JSON_NUMBER.match(text):
                return text
        elif not _FLOAT.match(text):
            return text
        self._problem(
            event, "yaml.number", f"{_shown(text)} is no number that JSON can hold", hint="quote it"
        )
        return 0

    def _problem(self, event: Event, code: str, message: str, *, hint: str = "") -> None:
        mark = event.start_mark
        problem = Problem(
            path=self._path,
            line=mark.line + 1,
            column=mark.column + 1,
            code=code,
            message=message,
            hint=hint,
        )
        self.problems.append(problem)
        if len(self.problems) >= MAX_PROBLEMS:
            raise Stopped

    def _stop(self, event: Event, code: str, message: str) -> None:
        self._problem(event, code, message)
        raise Stopped


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
