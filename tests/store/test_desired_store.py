"""Reading the desired branch: proportional to what changed, and deaf to hostile trees."""

from __future__ import annotations

import subprocess
from contextlib import closing

import pytest

from provisioner.errors import LimitExceeded
from provisioner.git.repo import GitRepo
from provisioner.git.tree import DEPTH_LIMIT
from provisioner.model.ids import CommitId
from provisioner.store.desired import reading
from provisioner.store.desired.reading import LIMIT_BYTES, DesiredStore
from tests.store import sites


def make_tree(repo: GitRepo, *entries: tuple[str, str, bytes]) -> str:
    """Write a tree as raw as an attacker could: (mode, id, name)."""
    raw = b"".join(
        f"{mode} ".encode() + name + b"\0" + bytes.fromhex(key) for mode, key, name in entries
    )
    words = ["git", "-C", str(repo.git_dir), "hash-object", "-w", "--literally", "--stdin"]
    return (
        subprocess.run([*words, "-t", "tree"], input=raw, check=True, capture_output=True)
        .stdout.decode()
        .strip()
    )


def make_commit(repo: GitRepo, hardware_tree: str) -> CommitId:
    root = make_tree(repo, ("40000", hardware_tree, b"hardware"))
    return CommitId(sites.git(repo.git_dir, "commit-tree", "-m", "x", root).strip())


def codes(repo: GitRepo, hardware_tree: str) -> dict[str, str]:
    files = DesiredStore(repo).files(make_commit(repo, hardware_tree))
    return {path: file.problem.code if file.problem else "" for path, file in files.items()}


def test_files_come_with_their_blobs_and_only_from_our_folders(site):
    folder = site.path
    for path in ("hardware/rack/n1.yaml", "templates/t.tmpl", "workflows/w.yaml", "docs/x.yaml"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / "templates/t.tmpl").chmod(0o755)
    site("add", "-A")
    site("commit", "-q", "-m", "files")
    with closing(GitRepo(folder)) as repo:
        store = DesiredStore(repo)
        tip = store.tip()
        assert tip
        files = store.files(tip)
        assert list(files) == ["hardware/rack/n1.yaml", "templates/t.tmpl", "workflows/w.yaml"]
        assert all(file.problem is None for file in files.values())
        contents = store.read_all(file.blob_id for file in files.values())
        assert [each.decode() for each in contents] == list(files)


def test_changes_are_what_differs_whatever_the_history(site):
    folder = site.path
    (folder / "hardware").mkdir()
    for name in ("a", "b", "c"):
        (folder / f"hardware/{name}.yaml").write_text(name)
    site("add", "-A")
    site("commit", "-q", "-m", "one")
    with closing(GitRepo(folder)) as repo:
        store = DesiredStore(repo)
        old = store.tip()
        (folder / "hardware/a.yaml").unlink()
        (folder / "hardware/b.yaml").write_text("changed")
        (folder / "hardware/d.yaml").write_text("new")
        site("add", "-A")
        site("commit", "-q", "--amend", "-m", "forced")
        new = store.tip()
        assert old and new
        changes = store.changes(old, new)
        contents = {
            path: store.read(file.blob_id) if file else None for path, file in changes.items()
        }
        assert contents == {
            "hardware/a.yaml": None,
            "hardware/b.yaml": b"changed",
            "hardware/d.yaml": b"new",
        }
        assert store.changes(new, new) == {}


@pytest.mark.parametrize(
    ("mode", "code"),
    [("120000", "file.symlink"), ("160000", "file.submodule"), ("100600", "file.mode")],
)
def test_only_plain_files_are_read(repo, mode, code):
    blob = sites.write_blob(repo, b"/etc/passwd")
    good = sites.write_blob(repo, b"good")
    tree = make_tree(repo, (mode, blob, b"bad.yaml"), ("100755", good, b"good.yaml"))
    assert codes(repo, tree) == {"hardware/bad.yaml": code, "hardware/good.yaml": ""}


@pytest.mark.parametrize("name", [b"..", b".", b"a\\b", b"a\nb", b"a\x1b[2Jb", b"gr\xf6\xdfe"])
def test_a_name_that_leads_elsewhere_or_is_not_text_is_a_problem(repo, name):
    blob = sites.write_blob(repo, b"x")
    files = DesiredStore(repo).files(make_commit(repo, make_tree(repo, ("100644", blob, name))))
    (file,) = files.values()
    assert file.problem and file.problem.code == "file.name"
    assert file.problem.path.isprintable() and file.problem.path.encode()


def test_a_folder_named_dot_dot_is_a_problem_for_what_is_in_it(repo):
    blob = sites.write_blob(repo, b"x")
    inner = make_tree(repo, ("100644", blob, b"n.yaml"))
    assert codes(repo, make_tree(repo, ("40000", inner, b".."))) == {
        "hardware/../n.yaml": "file.name"
    }


def test_a_large_file_is_a_problem_and_the_limit_itself_is_not(repo):
    over, exact = (sites.write_blob(repo, bytes(LIMIT_BYTES + each)) for each in (1, 0))
    tree = make_tree(repo, ("100644", exact, b"a.yaml"), ("100644", over, b"b.yaml"))
    assert codes(repo, tree) == {"hardware/a.yaml": "", "hardware/b.yaml": "file.size"}


def test_hundreds_of_folders_in_each_other_are_one_problem(repo):
    blob = sites.write_blob(repo, b"x")
    tree = make_tree(repo, ("100644", blob, b"n.yaml"))
    for _ in range(200):
        tree = make_tree(repo, ("40000", tree, b"d"))
    assert codes(repo, tree) == {"hardware/" + "/".join("d" * DEPTH_LIMIT): "file.depth"}


def test_a_tree_that_names_a_billion_files_is_refused_soon(repo, monkeypatch):
    monkeypatch.setattr(reading, "LIMIT_FILES", 1000)
    blob = sites.write_blob(repo, b"x")
    tree = make_tree(repo, *(("100644", blob, b"%d" % each) for each in range(10)))
    for _ in range(9):
        tree = make_tree(repo, *(("40000", tree, b"%d" % each) for each in range(10)))
    with pytest.raises(LimitExceeded, match="more than 1000 files"):
        codes(repo, tree)
