"""Hides what looks like a secret, wherever a document's values are shown to many.

By the names that people give to secrets, and by the forms of well-known tokens.  It errs on the
side of hiding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"

_NAME = (
    r"(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|credentials?|auth(?!or))"
)
_FLAG = re.compile(rf"^--?[\w-]*{_NAME}[\w-]*$", re.IGNORECASE)
_PAIR = re.compile(
    rf"([\w.-]*{_NAME}[\w-]*[\"']?\s*[=:]\s*)(?!\*\*\*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)",
    re.IGNORECASE,
)
_WORDS = re.compile(rf"(--?[\w-]*{_NAME}[\w-]*\s+)(?!-)(\S+)", re.IGNORECASE)
_USER_INFO = re.compile(r"(://)[^/\s@]+@")
_BEARER = re.compile(r"\b((?:bearer|basic)\s+)[\w.~+/=-]+", re.IGNORECASE)
_TOKENS = re.compile(
    r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16}"
    r"|xox[abprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|AGE-SECRET-KEY-\w+)"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def masked(text: str) -> str:
    """The text with each thing in it that looks like a secret replaced by `***`."""
    text = _KEY_BLOCK.sub(MASK, text)
    text = _BEARER.sub(rf"\g<1>{MASK}", text)
    text = _PAIR.sub(rf"\g<1>{MASK}", text)
    text = _WORDS.sub(rf"\g<1>{MASK}", text)
    text = _USER_INFO.sub(rf"\g<1>{MASK}@", text)
    return _TOKENS.sub(MASK, text)


def masked_words(words: Iterable[str]) -> tuple[str, ...]:
    """As `masked`, for the words of a command: a flag that names a secret hides the next one."""
    shown: list[str] = []
    is_secret = False
    for word in words:
        shown.append(MASK if is_secret and not word.startswith("-") else masked(word))
        is_secret = _FLAG.match(word) is not None
    return tuple(shown)
