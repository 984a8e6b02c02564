"""Trees in memory are the trees that git itself would write."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.git import pack, tree
from provisioner.git.object_reader import parse_tree
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, FILE_MODE, TreeEditor
from provisioner.store.status import data_names
from tests.store import sites

NAMES = st.sampled_from(["a", "a.b", "a-b", "a0", "ab", "B", "ü", "z"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
# None removes; a number is the content.
EDITS = st.lists(st.tuples(PATHS, st.none() | st.integers(0, 5)), max_size=12)


def as_files(steps: list[tuple[str, int | None]]) -> dict[str, int]:
    """What is left after the steps, told naively."""
    files: dict[str, int] = {}
    for path, content in steps:
        if content is None:
            gone = [each for each in files if each == path or each.startswith(f"{path}/")]
        else:
            parts = path.split("/")
            above = {"/".join(parts[:end]) for end in range(1, len(parts))}
            gone = [each for each in files if each in above or each.startswith(f"{path}/")]
        for each in gone:
            del files[each]
        if content is not None:
            files[path] = content
    return files


class Objects(dict[str, bytes]):
    def add(self, content: bytes) -> bytes:
        key = pack.object_id("tree", content)
        self[key.hex()] = content
        return key

    def tree_of(self, files: dict[str, int]) -> str:
        trees = TreeEditor(EMPTY_TREE, self.__getitem__)
        for path, content in sorted(files.items()):
            trees.put(path, FILE_MODE, pack.object_id("blob", b"%d" % content))
        return trees.write(self.add).hex()


@settings(max_examples=200, deadline=None)
@given(EDITS, EDITS, EDITS)
def test_edits_in_any_order_lead_to_one_tree(first, second, third):
    objects = Objects()
    trees = TreeEditor(EMPTY_TREE, objects.__getitem__)
    steps: list[tuple[str, int | None]] = []
    for group in (first, second, third):
        for path, content in group:
            steps.append((path, content))
            if content is None:
                trees.remove(path)
            else:
                trees.put(path, FILE_MODE, pack.object_id("blob", b"%d" % content))
        root = trees.write(objects.add).hex()
        assert root == objects.tree_of(as_files(steps)), steps
        for path in {path for path, _ in steps}:
            entry = trees.get(path)
            expected = as_files(steps).get(path)
            if expected is not None:
                assert entry and entry.id == pack.object_id("blob", b"%d" % expected).hex()
        trees = TreeEditor(root, lambda each: objects[each])


@settings(max_examples=200, deadline=None)
@given(EDITS, EDITS)
def test_comparing_trees_tells_exactly_the_files_that_differ(first, second):
    objects = Objects()
    was, now = as_files(first), as_files(second)
    changes = tree.compare(
        lambda each: [] if each == EMPTY_TREE else parse_tree(objects[each]),
        objects.tree_of(was),
        objects.tree_of(now),
    )
    told = {each.path: (each.old and each.old.id, each.new and each.new.id) for each in changes}

    def key(files: dict[str, int], path: str) -> str | None:
        return pack.object_id("blob", b"%d" % files[path]).hex() if path in files else None

    assert told == {
        path: (key(was, path), key(now, path))
        for path in was.keys() | now.keys()
        if was.get(path) != now.get(path)
    }


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(EDITS)
def test_git_writes_the_same_tree(tmp_path, steps):
    files = as_files(steps)
    if not (tmp_path / "repo").exists():
        sites.bare(tmp_path / "repo").close()
    with closing(GitRepo(tmp_path / "repo")) as repo:
        lines = "".join(
            f"100644 {sites.write_blob(repo, b'%d' % content)}\t{path}\0"
            for path, content in files.items()
        )
        (repo.git_dir / "index").unlink(missing_ok=True)
        repo.run("update-index", "-z", "--index-info", stdin=lines.encode())
        assert repo.run("write-tree").decode().strip() == Objects().tree_of(files)


def test_folders_that_were_not_touched_are_never_read():
    objects = Objects()
    root = objects.tree_of({f"{folder}/{name}": 1 for folder in "abc" for name in "xyz"})
    read = []

    def reading(each: str) -> bytes:
        read.append(each)
        return objects[each]

    trees = TreeEditor(root, reading)
    trees.put("b/y", FILE_MODE, bytes(20))
    trees.write(objects.add)
    assert len(read) == 2, "the root and the one folder"


ODD = [".git", ".GIT", ".gitmodules", ".gitattributes", "git~1", "GITMOD~1", "..", ".", "a\\b"]
ODD += [".g\u200cit", ".git ", ".git.", ".git::$INDEX_ALLOCATION", "a\nb", "\ufeff.git", "%2egit"]
ODD += ["\udcff\udcfe", "größe", "x" * 255, "\udcff" * 255, "CON", "a:b", "\x7f", "%", "%41"]


@pytest.mark.parametrize("name", ODD)
def test_git_accepts_every_name_in_its_escaped_form(tmp_path, name):
    escaped = data_names.escape(name)
    assert data_names.unescape(escaped) == name
    with closing(sites.bare(tmp_path / "repo")) as repo:
        blob = sites.write_blob(repo, b"")
        inner = sites.git(
            repo.git_dir,
            *("mktree", "-z"),
            stdin=f"100644 blob {blob}\t".encode()
            + escaped.encode("utf-8", "surrogateescape")
            + b"\0",
        ).strip()
        commit = sites.git(repo.git_dir, "commit-tree", "-m", "x", inner).strip()
        sites.git(repo.git_dir, "update-ref", "refs/heads/main", commit)
    sites.fsck(tmp_path / "repo")


@given(st.binary(min_size=1, max_size=60))
def test_names_come_back_exactly_and_never_collide(raw):
    name = raw.decode("utf-8", "surrogateescape")
    escaped = data_names.escape(name)
    assert data_names.unescape(escaped) == name
    assert data_names.escape(escaped) == escaped or "%" in escaped


def test_ordinary_names_stay_as_they_are(tmp_path: Path):
    for name in ("a.json", "größe.txt", "with space", ".hidden", "x+y=z@1,2"):
        assert data_names.escape(name) == name
