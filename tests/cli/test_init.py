"""`tink init` makes a repository that is ready to use."""

from __future__ import annotations

import json
import subprocess

import pytest

from provisioner import resources
from tests.cli.repository import git


def test_a_new_repository_holds_the_layout_and_the_schemas_in_one_commit(tink, tmp_path):
    result = tink("init", "site")
    assert result.code == 0
    site = tmp_path / "site"
    layout = resources.repo_layout_folder()
    tracked = set(git(site, "ls-files").split())
    wanted = {path.relative_to(layout).as_posix() for path in layout.rglob("*") if path.is_file()}
    assert wanted <= tracked
    assert ".schema/v1/hardware.json" in tracked
    assert git(site, "rev-list", "--count", "main") == "1\n"
    assert git(site, "status", "--porcelain") == ""


def test_a_new_repository_validates(tink, monkeypatch, tmp_path):
    tink("init", "site")
    monkeypatch.chdir(tmp_path / "site")
    assert tink("validate").code == 0


def test_the_editor_settings_name_schemas_that_are_there(tink, tmp_path):
    tink("init", "site")
    site = tmp_path / "site"
    settings = json.loads((site / ".vscode" / "settings.json").read_text())
    named = [*settings["yaml.schemas"], *(each["url"] for each in settings["json.schemas"])]
    assert [name for name in named if not (site / name).is_file()] == []


def test_a_repository_may_be_bare(tink, tmp_path):
    assert tink("init", "--bare", "site.git").code == 0
    assert "README.md" in git(tmp_path / "site.git", "ls-tree", "--name-only", "main")


@pytest.mark.parametrize("flags", [(), ("--bare",)])
def test_the_status_branch_begins_with_its_format_alone(tink, tmp_path, flags):
    result = tink("init", *flags, "site")
    assert "began branch status" in result.err
    assert git(tmp_path / "site", "ls-tree", "-r", "--name-only", "status") == "format.json\n"
    assert git(tmp_path / "site", "rev-list", "--count", "status") == "1\n"


def test_an_empty_clone_is_taken_as_it_is(tink, tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path / "site"], check=True)
    assert tink("init", "site").code == 0
    assert git(tmp_path / "site", "rev-list", "--count", "main") == "1\n"


def test_the_desired_branch_may_have_another_name(tink, tmp_path):
    assert tink("init", "--branch", "production", "site").code == 0
    assert git(tmp_path / "site", "branch", "--show-current") == "production\n"


def test_a_folder_that_holds_something_is_left_alone(tink, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine").write_text("mine")
    result = tink("init", "site")
    assert result.code == 1
    assert "is not empty" in result.err
    assert [each.name for each in (tmp_path / "site").iterdir()] == ["mine"]
