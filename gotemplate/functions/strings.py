"""sprig's functions on text.

Go counts bytes where it cuts (substr, trunc, abbrev, wrap), so these do as well.
"""

from __future__ import annotations

from gotemplate import printing
from gotemplate.functions.convert import GO_SPACES, text_of, texts_of
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.literals import from_bytes, to_bytes
from gotemplate.values import StringList, StringMap

_ELLIPSIS = b"..."
_SPACES_ALIKE = str.maketrans(dict.fromkeys(GO_SPACES, " "))


def _repeat(budget: Budget, count: int, text: str) -> str:
    if count < 0:
        raise CallFault(f"a text can't be repeated {count} times")
    budget.make_text(count * len(text))
    return text * count


def _indent(budget: Budget, spaces: int, text: str) -> str:
    if spaces < 0:
        raise CallFault("the number of spaces is negative")
    budget.make_text(len(text) + spaces * (1 + text.count("\n")))
    padding = " " * spaces
    return padding + text.replace("\n", "\n" + padding)


def _nindent(budget: Budget, spaces: int, text: str) -> str:
    return "\n" + _indent(budget, spaces, text)


def _replace(budget: Budget, old: str, new: str, text: str) -> str:
    budget.make_text(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _quote(budget: Budget, *values: object) -> str:
    texts = [text_of(value, budget) for value in values if value is not None]
    budget.make_text(6 * sum(map(len, texts)) if not all(map(str.isascii, texts)) else 0)
    return " ".join(printing.quote(text) for text in texts)


def _squote(budget: Budget, *values: object) -> str:
    return " ".join(f"'{text_of(value, budget)}'" for value in values if value is not None)


def _cat(budget: Budget, *values: object) -> str:
    return " ".join(text_of(value, budget) for value in values if value is not None)


def _join(budget: Budget, separator: str, values: object) -> str:
    texts = texts_of(values, budget)
    budget.make_text(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _parts(budget: Budget, separator: str, text: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    wanted = len(text) if not separator else text.count(separator) + 1
    budget.make_items(min(wanted, count) if count > 0 else wanted)
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    characters = list(text)
    if 0 < count < len(characters):
        return [*characters[: count - 1], "".join(characters[count - 1 :])]
    return characters


def _split_list(budget: Budget, separator: str, text: str) -> StringList:
    return StringList(_parts(budget, separator, text))


def _split(budget: Budget, separator: str, text: str) -> StringMap:
    return _numbered(_parts(budget, separator, text))


def _splitn(budget: Budget, separator: str, count: int, text: str) -> StringMap:
    return _numbered(_parts(budget, separator, text, count))


def _numbered(parts: list[str]) -> StringMap:
    return StringMap({f"_{index}": part for index, part in enumerate(parts)})


def _substr(start: int, end: int, text: str) -> str:
    data = to_bytes(text)
    if start < 0:
        start = 0
    elif end < 0 or end > len(data):
        end = len(data)
    if not 0 <= start <= end <= len(data):
        raise CallFault(f"{start} to {end} is outside of a text of {len(data)} bytes")
    return from_bytes(data[start:end])


def _trunc(count: int, text: str) -> str:
    data = to_bytes(text)
    if count < 0:
        return from_bytes(data[count:]) if len(data) + count > 0 else text
    return from_bytes(data[:count])


def _abbrev(width: int, text: str) -> str:
    return _abbreviated(0, width, text) if width >= 4 else text


def _abbrevboth(left: int, right: int, text: str) -> str:
    if right < 4 or (left > 0 and right < 7):
        return text
    return _abbreviated(left, right, text)


def _abbreviated(offset: int, width: int, text: str) -> str:
    data = to_bytes(text)
    if len(data) <= width:
        return text
    room = width - len(_ELLIPSIS)
    offset = min(offset, len(data))
    if len(data) - offset < room:
        offset = len(data) - room
    if offset <= 4:
        return from_bytes(data[:room] + _ELLIPSIS)
    if width < 7:
        return ""
    if offset + room < len(data):
        return "..." + _abbreviated(0, room, from_bytes(data[offset:]))
    return from_bytes(_ELLIPSIS + data[-room:])


def _wrap(budget: Budget, width: int, text: str) -> str:
    return _wrapped(budget, width, "\n", text, cuts_words=False)


def _wrap_with(budget: Budget, width: int, separator: str, text: str) -> str:
    return _wrapped(budget, width, separator or "\n", text, cuts_words=True)


def _wrapped(budget: Budget, width: int, separator: str, text: str, *, cuts_words: bool) -> str:
    data, width = to_bytes(text), max(width, 1)
    budget.make_text(len(data) + len(separator) * (len(data) // width + data.count(b" ")))
    budget.spend(len(data) // width)
    between = to_bytes(separator)
    out: list[bytes] = []
    at = 0
    while len(data) - at > width:
        if data[at] == 0x20:
            at += 1
            continue
        space = data.rfind(b" ", at, at + width + 1)
        if space < 0 and cuts_words:
            out += [data[at : at + width], between]
            at += width
            continue
        if space < 0:
            space = data.find(b" ", at + width)
        if space < 0:
            out.append(data[at:])
            at = len(data)
        else:
            out += [data[at:space], between]
            at = space + 1
    return from_bytes(b"".join([*out, data[at:]]))


def _words(text: str) -> list[str]:
    return text.translate(_SPACES_ALIKE).split(" ")


def _initials(text: str) -> str:
    return "".join(word[0] for word in _words(text) if word)


STRINGS: dict[str, Function] = table(
    function("abbrev", "int string", _abbrev),
    function("abbrevboth", "int int string", _abbrevboth),
    function("cat", "any*", _cat, bounded=True, deep=True),
    function("contains", "string string", lambda part, text: part in text),
    function("hasPrefix", "string string", lambda part, text: text.startswith(part)),
    function("hasSuffix", "string string", lambda part, text: text.endswith(part)),
    function("indent", "int string", _indent, bounded=True),
    function("initials", "string", _initials),
    function("join", "string any", _join, bounded=True, deep=True),
    function("nindent", "int string", _nindent, bounded=True),
    function("nospace", "string", lambda text: "".join(_words(text))),
    function("plural", "string string int", lambda one, many, count: one if count == 1 else many),
    function("quote", "any*", _quote, bounded=True, deep=True),
    function("repeat", "int string", _repeat, bounded=True),
    function("replace", "string string string", _replace, bounded=True),
    function("split", "string string", _split, bounded=True),
    function("splitList", "string string", _split_list, bounded=True),
    function("splitn", "string int string", _splitn, bounded=True),
    function("squote", "any*", _squote, bounded=True, deep=True),
    function("substr", "int int string", _substr),
    function(
        "toString", "any", lambda budget, value: text_of(value, budget), bounded=True, deep=True
    ),
    function(
        "toStrings",
        "any",
        lambda budget, value: StringList(texts_of(value, budget)),
        bounded=True,
        deep=True,
    ),
    function("trim", "string", lambda text: text.strip(GO_SPACES)),
    function("trimAll", "string string", lambda characters, text: text.strip(characters)),
    function("trimall", "string string", lambda characters, text: text.strip(characters)),
    function("trimPrefix", "string string", lambda part, text: text.removeprefix(part)),
    function("trimSuffix", "string string", lambda part, text: text.removesuffix(part)),
    function("trunc", "int string", _trunc),
    function("wrap", "int string", _wrap, bounded=True),
    function("wrapWith", "int string string", _wrap_with, bounded=True),
)
