"""Ephemeral data: any names, any bytes, written once, durable before it is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import LimitExceeded, UserError
from provisioner.git.repo import GitRepo
from provisioner.model.ephemeral import LIMIT_BYTES, LIMIT_FILES
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.data_writer import DataWriter, NewFile
from tests.store import sites

NAME = st.binary(min_size=1, max_size=20).map(
    lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_").decode("utf-8", "surrogateescape")
)


@pytest.fixture
def data(repo: GitRepo) -> Iterator[DataWriter]:
    with closing(DataWriter(repo)) as writer:
        yield writer


def read(repo: GitRepo, tree: str) -> dict[str, tuple[bytes, bool]]:
    files = StatusStore(repo).read_data_tree(tree)  # type: ignore[arg-type]  # a tree id
    return {each.path: (each.content, each.executable) for each in files}


def packs(repo: GitRepo) -> int:
    return len(list((repo.objects_dir / "pack").glob("*.pack")))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(NAME, st.tuples(st.binary(max_size=50), st.booleans()), max_size=5))
def test_files_come_back_whatever_they_are_called(repo, data, wanted):
    files = [NewFile(path=f"d/{name}", content=c, executable=x) for name, (c, x) in wanted.items()]
    with data.write(files) as (tree, told):
        pass
    assert read(repo, tree) == {f"d/{name}": each for name, each in wanted.items()}
    assert [each.path for each in told] == sorted(f"d/{name}" for name in wanted)
    assert [each.size_bytes for each in told] == [
        len(each.content) for each in sorted(files, key=lambda each: each.path)
    ]


def test_what_the_version_before_had_is_not_written_again(repo, data):
    big = NewFile(path="d/big", content=bytes(1_000_000))
    with data.write([big]) as (first, _):
        before = packs(repo)
    with data.write([big], known=first) as (again, _):
        assert again == first
        assert packs(repo) == before
    with data.write([big, NewFile(path="small", content=b"x")], known=first):
        pass
    newest = max(
        (repo.objects_dir / "pack").glob("*.pack"), key=lambda each: each.stat().st_mtime_ns
    )
    assert newest.stat().st_size < 1000, "only the small file and the tree are new"


def test_what_no_branch_leads_to_is_written_again_and_stays_while_it_is_needed(repo, data):
    file = NewFile(path="a", content=b"pushed twice")
    with data.write([file]) as (first, _), data.write([file]) as (second, _):
        assert first == second
        sites.git(repo.git_dir, "gc", "-q", "--prune=now")
        assert read(repo, second) == {"a": (b"pushed twice", False)}
    with data.write([file]) as (third, _):  # the first two were given up, and lie there
        sites.git(repo.git_dir, "gc", "-q", "--prune=now")
        assert read(repo, third) == {"a": (b"pushed twice", False)}


def test_no_files_are_the_empty_tree_and_nothing_is_written(repo, data):
    before = packs(repo)
    with data.write([]) as (tree, told):
        pass
    assert read(repo, tree) == {} and told == () and packs(repo) == before


def test_ten_megabytes_are_taken_and_one_byte_more_is_not(repo, data):
    with data.write([NewFile(path="a", content=bytes(LIMIT_BYTES))]) as (tree, _):
        pass
    assert len(read(repo, tree)["a"][0]) == LIMIT_BYTES
    over = [NewFile(path="a", content=bytes(LIMIT_BYTES)), NewFile(path="b", content=b"b")]
    with pytest.raises(LimitExceeded, match=f"{LIMIT_BYTES + 1} bytes"), data.write(over):
        pass
    many = [NewFile(path=str(each), content=b"") for each in range(LIMIT_FILES + 1)]
    with pytest.raises(LimitExceeded, match=f"{LIMIT_FILES + 1} files"), data.write(many):
        pass


@pytest.mark.parametrize(
    "paths", [("",), ("/a",), ("a//b",), ("a/",), ("a\0b",), ("a", "a"), ("a", "a/b")]
)
def test_paths_that_can_not_be_are_refused(data, paths):
    files = [NewFile(path=path, content=b"x") for path in paths]
    with pytest.raises(UserError), data.write(files):
        pass


def test_names_that_git_refuses_are_no_danger(repo, data):
    names = (".git/config", ".gitmodules", "../outside", "a\\b", "git~1", "CON", "x" * 255)
    with data.write([NewFile(path=name, content=b"x") for name in names]) as (tree, _):
        pass
    assert set(read(repo, tree)) == set(names)
    commit = sites.git(repo.git_dir, "commit-tree", "-m", "x", tree).strip()
    sites.git(repo.git_dir, "update-ref", "refs/heads/main", commit)
    sites.fsck(repo.git_dir)
