"""Writing the desired branch for a person: their own work is never touched."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from provisioner.errors import Conflict
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.desired.editing import DesiredEditor
from tests.store import sites


def commit(path: Path, changes: dict[str, bytes | None], branch: str = "main") -> CommitId:
    with closing(GitRepo(path)) as repo:
        return DesiredEditor(repo, branch).commit_files(changes, "Change files\n\nbecause")


def test_a_commit_in_a_bare_repository(tmp_path):
    sites.bare(tmp_path / "r").close()
    first = commit(tmp_path / "r", {"hardware/n1.yaml": b"one\n", "README.md": b"hello\n"})
    second = commit(tmp_path / "r", {"hardware/n1.yaml": None, "hardware/n2.yaml": b"two\n"})
    show = sites.git(tmp_path / "r", "log", "--format=%H %an <%ae> %s", "--name-status", "main")
    assert show.split("\n") == [
        f"{second} Test <test@localhost> Change files",
        "",
        "D\thardware/n1.yaml",
        "A\thardware/n2.yaml",
        f"{first} Test <test@localhost> Change files",
        "",
        "A\tREADME.md",
        "A\thardware/n1.yaml",
        "",
    ]
    sites.fsck(tmp_path / "r")


def test_the_first_commit_of_a_repository_takes_the_files_that_lie_there(tmp_path):
    GitRepo.create(tmp_path / "r").close()
    (tmp_path / "r/README.md").write_bytes(b"hello\n")
    commit(tmp_path / "r", {"README.md": b"hello\n", "hardware/.gitkeep": b""})
    assert sites.git(tmp_path / "r", "status", "--porcelain") == ""
    assert (tmp_path / "r/hardware/.gitkeep").exists()


def test_work_tree_and_index_follow_for_just_these_files(site):
    folder = site.path
    (folder / "mine.txt").write_text("committed\n")
    (folder / "gone").mkdir()
    (folder / "gone/old.yaml").write_text("old\n")
    site("add", "-A")
    site("commit", "-q", "-m", "mine")
    (folder / "mine.txt").write_text("being edited\n")
    (folder / "staged.txt").write_text("staged\n")
    site("add", "staged.txt")
    commit(folder, {"hardware/n1.yaml": b"one\n", "gone/old.yaml": None})
    assert (folder / "hardware/n1.yaml").read_bytes() == b"one\n"
    assert not (folder / "gone").exists()
    assert site("status", "--porcelain").splitlines() == [" M mine.txt", "A  staged.txt"]


def test_paths_are_those_of_the_repository_wherever_one_stands(site, monkeypatch):
    folder = site.path / "sub"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with closing(GitRepo(folder, search_parents=True)) as repo:
        DesiredEditor(repo).commit_files({"hardware/[n]*.yaml": b"one\n"}, "Add")
    assert (site.path / "hardware/[n]*.yaml").read_bytes() == b"one\n"
    assert site("status", "--porcelain") == ""


@pytest.mark.parametrize("state", ["edited", "staged", "untracked", "ignored"])
def test_uncommitted_changes_to_the_same_file_are_refused(site, state):
    file = site.path / "hardware/n1.yaml"
    file.parent.mkdir()
    if state in ("edited", "staged"):
        file.write_text("committed\n")
        site("add", "-A")
        site("commit", "-q", "-m", "file")
    if state == "ignored":
        (site.path / ".git/info").mkdir(exist_ok=True)
        (site.path / ".git/info/exclude").write_text("*.yaml\n")
    file.write_text("precious\n")
    if state == "staged":
        site("add", "-A")
    before = site("rev-parse", "HEAD")
    with pytest.raises(Conflict, match=r"hardware/n1.yaml has uncommitted changes"):
        commit(site.path, {"hardware/n1.yaml": b"ours\n"})
    assert file.read_text() == "precious\n"
    assert site("rev-parse", "HEAD") == before


def test_a_branch_that_is_not_checked_out_leaves_the_work_tree_alone(site):
    commit(site.path, {"hardware/n1.yaml": b"one\n"}, branch="other")
    assert site("status", "--porcelain") == ""
    assert not (site.path / "hardware").exists()
    assert site("show", "other:hardware/n1.yaml") == "one\n"


def test_a_branch_that_another_work_tree_has_is_refused(site, tmp_path):
    site("branch", "other")
    site("worktree", "add", "-q", str(tmp_path / "second"), "other")
    with pytest.raises(Conflict, match="checked out in"):
        commit(site.path, {"hardware/n1.yaml": b"one\n"}, branch="other")
    commit(tmp_path / "second", {"hardware/n1.yaml": b"one\n"}, branch="other")
    assert (tmp_path / "second/hardware/n1.yaml").exists()


def test_a_file_is_never_written_through_a_link(site, tmp_path):
    (tmp_path / "outside").mkdir()
    (site.path / "hardware").symlink_to(tmp_path / "outside")
    site("add", "-A")
    site("commit", "-q", "-m", "link")
    with pytest.raises(Conflict, match="hardware is a file or a link"):
        commit(site.path, {"hardware/n1.yaml": b"one\n"})
    assert not list((tmp_path / "outside").iterdir())


def test_a_commit_that_somebody_else_makes_meanwhile_is_kept(site):
    class Racing(GitRepo):
        """Somebody commits between our look at the branch and our move of it."""

        theirs: tuple[str, ...] = ()

        def move_ref(self, ref: str, *, expected: CommitId | None, new: CommitId) -> None:
            theirs, Racing.theirs = Racing.theirs, ()
            if theirs:
                commit(site.path, {theirs[0]: b"theirs\n"})
            super().move_ref(ref, expected=expected, new=new)

    with closing(Racing(site.path)) as repo:
        Racing.theirs = ("hardware/theirs.yaml",)
        DesiredEditor(repo).commit_files({"hardware/ours.yaml": b"ours\n"}, "Ours")
        assert site("ls-tree", "-r", "--name-only", "main").split() == [
            "hardware/ours.yaml",
            "hardware/theirs.yaml",
        ]
        Racing.theirs = ("hardware/same.yaml",)
        with pytest.raises(Conflict, match=r"somebody else changed hardware/same\.yaml"):
            DesiredEditor(repo).commit_files({"hardware/same.yaml": b"ours\n"}, "Ours")
    assert site("status", "--porcelain") == ""


def test_nothing_to_change_makes_no_commit(site):
    one = commit(site.path, {"a": b"a\n"})
    assert commit(site.path, {"a": b"a\n"}) == one


def test_a_name_with_odd_characters_cannot_break_the_commits_header(site):
    with closing(GitRepo(site.path)) as repo:
        author = ("Eve> 0 +0000\ncommitter x", "e<v>e@x")
        DesiredEditor(repo).commit_files({"a": b"a\n"}, "Ours", author=author)
    assert site("log", "-1", "--format=%an|%ae").strip() == "Eve 0 +0000committer x|eve@x"
    sites.fsck(site.path)
