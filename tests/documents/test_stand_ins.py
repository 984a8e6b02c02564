"""What git may hold in the place of a document is named as what it is."""

from __future__ import annotations

import pytest

from tests.documents.document_reading import decode

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
CRYPT = b"\0GITCRYPT\0\x91\x8a\x01\x02"
CONFLICT = """\
id: 00000000-0000-4000-8000-000000000001
<<<<<<< HEAD
metadata: {}
=======
metadata: {a: 1}
>>>>>>> feature
"""


@pytest.mark.parametrize("folder", ["hardware", "templates", "workflows"])
@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (LFS, "file.lfs", 0),
        (CRYPT, "file.git-crypt", 0),
        (CONFLICT, "file.conflict", 2),
        (CONFLICT.replace("\n", "\r\n"), "file.conflict", 2),
        (CONFLICT.partition("\n")[2], "file.conflict", 1),
    ],
)
def test_a_stand_in_is_named(folder, content, code, line):
    (problem,) = decode(f"{folder}/x.yaml", content).problems
    assert (problem.code, problem.line) == (code, line)
    assert problem.hint


def test_signs_that_are_no_conflict_are_a_text():
    text = "version: '0.1'\nname: a\n# =======\n"
    assert not any(
        each.code == "file.conflict" for each in decode("templates/x.yaml", text).problems
    )
    half = CONFLICT.replace("=======\n", "")
    assert not any(
        each.code == "file.conflict" for each in decode("hardware/x.yaml", half).problems
    )
