"""JSON texts, with nothing in them that could not be written again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
MAX_DEPTH = 64  # whoever walks through the data may do so by recursion
_MAX_DIGITS = 400  # no 64-bit number has more; int() is quadratic


class NotJson(ValueError):
    """The text is no JSON; `position` is where."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def load(text: str, *, on_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> object:
    """Read a JSON text, or raise `NotJson`; halves of a character become U+FFFD, as in Go."""
    return _load(text, _decoder(on_object) if on_object else _DECODER)


def load_strictly(text: str) -> object:
    """As `load`, and also a key that stands twice in one object is `NotJson`."""
    return _load(text, _STRICT_DECODER)


def _load(text: str, decoder: json.JSONDecoder) -> object:
    if text.startswith("\ufeff"):  # json.loads' word for it; it would make a decoder each time
        raise NotJson("Unexpected UTF-8 BOM (decode using utf-8-sig)")
    try:
        data = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.pos) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_deep(data):
        raise NotJson(f"more than {MAX_DEPTH} levels are nested")
    if _SURROGATE.search(text):
        whole = json.dumps(data, ensure_ascii=False).encode("utf-16", "surrogatepass")
        data = json.loads(whole.decode("utf-16", "replace"))
    return data


def _is_deep(data: object) -> bool:
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        inner: list[object] = []
        for item in level:
            inner += (
                item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            )
        level = inner
    return bool(level)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson(f"the number {text[:40]} is too large")
    return value


def _short(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise NotJson(f"a number has {len(text):,} digits")
    return int(text)


def _refuse(text: str) -> object:
    raise NotJson(f"{text} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("a key stands twice")
    return found


def _decoder(
    on_object: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=on_object,
        parse_float=_finite,
        parse_int=_short,
        parse_constant=_refuse,
    )


_DECODER = _decoder()
_STRICT_DECODER = _decoder(_once)
