"""Our packs hold what git's own programs would have made, and git finds no fault in them."""

from __future__ import annotations

import random
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.git import pack
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import PackFiles
from tests.store import sites

CONTENTS = [
    b"",
    b"a",
    b"hello\n" * 10,
    bytes(4096),
    bytes(4097),
    random.Random(1).randbytes(15),
    random.Random(2).randbytes(16),
    random.Random(3).randbytes(2048),
    random.Random(4).randbytes(3_000_000),
    bytes(range(256)) * 5000,
]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    sites.bare(tmp_path / "repo").close()
    return tmp_path / "repo"


def build() -> tuple[pack.Pack, dict[str, tuple[str, bytes]]]:
    builder = PackBuilder()
    held = {builder.add("blob", each).hex(): ("blob", each) for each in CONTENTS}
    blob = builder.add("blob", CONTENTS[1])
    tree = b"100644 a\0" + blob
    tree_id = builder.add("tree", tree)
    held[tree_id.hex()] = ("tree", tree)
    who = "A <a@b> 1795000000 +0000"
    commit = f"tree {tree_id.hex()}\nauthor {who}\ncommitter {who}\n\nwords\n".encode()
    held[builder.add("commit", commit).hex()] = ("commit", commit)
    return builder.build(), held


def test_objects_are_byte_for_byte_what_git_makes(repo):
    built, held = build()
    PackFiles(repo / "objects").add(built)
    for key, (kind, content) in held.items():
        done = subprocess.run(
            ["git", "-C", str(repo), "hash-object", "--stdin", "-t", kind],
            input=content,
            check=True,
            capture_output=True,
        )
        assert done.stdout.decode().strip() == key
        shown = subprocess.run(
            ["git", "-C", str(repo), "cat-file", kind, key], check=True, capture_output=True
        )
        assert shown.stdout == content


def test_git_verifies_the_pack_and_makes_the_same_index(repo, tmp_path):
    built, held = build()
    file = tmp_path / "x.pack"
    file.write_bytes(built.content)
    name = sites.git(repo, "index-pack", "--strict", "-o", str(tmp_path / "x.idx"), str(file))
    assert name.strip() == built.name
    assert (tmp_path / "x.idx").read_bytes() == built.index
    listing = sites.git(repo, "verify-pack", "-v", str(tmp_path / "x.idx"))
    assert len([line for line in listing.splitlines() if line[:40] in held]) == len(held)


def test_git_unpacks_it(repo):
    built, held = build()
    sites.git(repo, "unpack-objects", "-q", "--strict", stdin=built.content)
    asked = "".join(f"{each}\n" for each in held).encode()
    assert "missing" not in sites.git(repo, "cat-file", "--batch-check", stdin=asked)


def test_fsck_is_content(repo):
    built, held = build()
    PackFiles(repo / "objects").add(built)
    (commit,) = (key for key, (kind, _) in held.items() if kind == "commit")
    sites.git(repo, "update-ref", "refs/heads/main", commit)
    sites.fsck(repo)


def test_a_stored_tree_is_what_zlib_would_store():
    assert pack.stored_block(b"x" * 700) == zlib.compress(b"x" * 700, 0)
    assert zlib.decompress(pack.stored_block(b"")) == b""


def test_an_object_that_comes_twice_is_kept_once():
    builder = PackBuilder()
    assert builder.add("blob", b"x") == builder.add("blob", b"x")
    assert builder.build().object_count == 1


def test_offsets_beyond_two_gigabytes_go_to_the_large_table(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "LARGE_OFFSET", 40)
    builder = PackBuilder()
    for number in range(5):
        builder.add("blob", b"%d" % number * 20)
    index = builder.build().index
    # fan-out 8 + 1024, then 5 ids, 5 checksums, 5 offsets, and 8 bytes for each large one
    assert (len(index) - 1032 - 5 * 28 - 40) % 8 == 0
    assert len(index) - 1032 - 5 * 28 - 40 > 0


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.binary(max_size=9000), min_size=1, max_size=8))
def test_the_index_can_be_made_again_from_the_pack(contents):
    builder = PackBuilder()
    for content in contents:
        builder.add("blob", content)
    built = builder.build()
    assert pack.reindex(built.content) == built


def test_a_torn_pack_is_not_taken_for_a_whole_one():
    built, _ = build()
    for torn in (built.content[:-1], b"", built.content[:50] + b"x" + built.content[51:]):
        with pytest.raises(ValueError, match="not a whole pack"):
            pack.reindex(torn)
