"""What git may hold in the place of a document: a pointer, a secret, or two versions at once."""

from __future__ import annotations

import re

from provisioner.model.problem import Problem

_LFS = b"version https://git-lfs.github.com/spec/"
_GIT_CRYPT = b"\0GITCRYPT\0"
# All three at the start of a line: an underline of seven signs alone may stand in a text.
_CONFLICT = re.compile(rb"^<{7} .*$.*?^={7}$.*?^>{7} .*$", re.MULTILINE | re.DOTALL)
_LOOKED_AT_BYTES = 1_048_576


def problem_of(content: bytes, *, path: str) -> Problem | None:
    """Name what stands in for a document; None where it is one."""
    if content.startswith(_LFS):
        return Problem(
            path=path,
            code="file.lfs",
            message="is a Git LFS pointer, not the file",
            hint="commit the file itself: git lfs untrack, git add --renormalize",
        )
    if content.startswith(_GIT_CRYPT):
        return Problem(
            path=path,
            code="file.git-crypt",
            message="is encrypted by git-crypt",
            hint="commit the file itself; the server has no key",
        )
    if b"\n<<<<<<< " not in content and not content.startswith(b"<<<<<<< "):
        return None
    found = _CONFLICT.search(content.replace(b"\r\n", b"\n")[:_LOOKED_AT_BYTES])
    if found is None:
        return None
    return Problem(
        path=path,
        line=content.count(b"\n", 0, content.index(b"<<<<<<< ")) + 1,
        column=1,
        code="file.conflict",
        message="a merge conflict was committed here",
        hint="choose between the two sides, and remove the lines <<<<<<<, ======= and >>>>>>>",
    )
