"""What is wrong with a text that is no YAML, and what should be written instead."""

from __future__ import annotations

import re

from yaml.error import YAMLError

from provisioner.model.problem import Problem, Severity

_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TAB_INDENT = re.compile(r"[ ]*\t")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTE_EXPRESSION = 'put the whole value in quotes: "{{ … }}"'
# What libyaml says (classic tink's library says the same), and what helps.
_HINTS = {
    "mapping values are not allowed": "put the value in quotes, or check the indentation",
    "did not find expected key": "check the indentation: keys of one block start in one column",
    "did not find expected '-'": "check the indentation: entries of a list start in one column",
    "could not find expected ':'": "a key ends with a colon; a longer text needs quotes or `|`",
    "did not find expected ',' or": "a bracket is not closed, or a comma is missing",
    "cannot start any token": "put the text in quotes: it starts with a character that YAML uses",
    "found unexpected end of stream": "a quote is not closed",
    "invalid Unicode character escape": "write the character itself",
    "unknown escape character": "in double quotes write \\\\ for a backslash, or use single quotes",
}


def decode(content: bytes | str, *, path: str) -> tuple[str | None, tuple[Problem, ...]]:
    """Decode UTF-8 and skip a byte order mark."""
    if isinstance(content, str):
        text = content
    else:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            return None, (_not_utf8(content, error, path),)
    if text.startswith("\ufeff"):
        reported = Problem(
            path=path,
            line=1,
            column=1,
            code="yaml.bom",
            message="the file starts with a byte order mark, which is skipped",
            hint="save it as UTF-8 without BOM",
            severity=Severity.WARNING,
        )
        return text[1:], (reported,)
    return text, ()


def syntax_problem(error: YAMLError, text: str, *, path: str) -> Problem:
    """Turn the parser's complaint into a problem with place and hint."""
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    if mark is None:
        return _unprintable(text, path) or Problem(path=path, code="yaml.syntax", message=said)
    lines = text.splitlines()
    line = mark.line
    written = lines[line] if line < len(lines) else ""
    if _TAB_INDENT.match(written) and ("token" in said or "tab" in said):
        tabs = [number for number, line_text in enumerate(lines) if _TAB_INDENT.match(line_text)]
        return _tabs(tabs, line, path)
    hint = next((hint for start, hint in _HINTS.items() if start in said), "")
    if "{{" in written or (line and line - 1 < len(lines) and "{{" in lines[line - 1]):
        hint = _QUOTE_EXPRESSION
    return Problem(
        path=path,
        line=line + 1,
        column=mark.column + 1,
        code="yaml.syntax",
        message=f"not YAML: {said}",
        hint=hint,
    )


def _tabs(tabs: list[int], line: int, path: str) -> Problem:
    rest = [tab for tab in tabs if tab > line]
    more = f", and {len(rest)} more down to line {rest[-1] + 1}" if rest else ""
    return Problem(
        path=path,
        line=line + 1,
        column=1,
        code="yaml.tab",
        message=f"the line is indented with a tab{more}; YAML wants spaces",
        hint="replace the tabs: expand -t 2 FILE",
    )


def _not_utf8(content: bytes, error: UnicodeDecodeError, path: str) -> Problem:
    before = content[: error.start]
    utf16 = content.startswith(_BYTE_ORDER_MARKS)
    return Problem(
        path=path,
        line=before.count(b"\n") + 1,
        column=len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1,
        code="file.encoding",
        message="the file is UTF-16" if utf16 else f"byte {content[error.start]:#04x} is not UTF-8",
        hint="save the file as UTF-8",
    )


def _unprintable(text: str, path: str) -> Problem | None:
    found = _UNPRINTABLE.search(text)
    if not found:
        return None
    before = text[: found.start()]
    return Problem(
        path=path,
        line=before.count("\n") + 1,
        column=len(before.rpartition("\n")[2]) + 1,
        code="yaml.character",
        message=f"the control character U+{ord(found[0]):04X} is not allowed",
        hint='in double quotes write it as "\\x1b", for instance',
    )
