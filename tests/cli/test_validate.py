"""`tink validate`: what the server would say, before it is committed."""

from __future__ import annotations

import json
import os

from tests.cli.repository import EXAMPLES, HELLO, git

BAD = "id: n1\n"


def test_a_clean_repository_is_told_with_the_number_of_its_files(tink, home):
    result = tink("validate")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no problems in 3 files\n"


def test_a_problem_has_path_line_column_code_and_hint(tink, home):
    (home / "hardware" / "bad.yaml").write_text(BAD)
    result = tink("validate")
    assert result.code == 1
    first, second = result.out.splitlines()
    assert first.startswith("hardware/bad.yaml:1:5: ")
    assert first.endswith("[hardware.id]")
    assert second.startswith("  Hint: ")
    assert result.err == "1 problem in 4 files\n"


def test_problems_are_printed_as_data(tink, home):
    (home / "hardware" / "bad.yaml").write_text(BAD)
    (told,) = json.loads(tink("validate", "-o", "json").out)
    place = {key: told[key] for key in ("path", "line", "column", "code", "severity")}
    assert place == {
        "path": "hardware/bad.yaml",
        "line": 1,
        "column": 5,
        "code": "hardware.id",
        "severity": "error",
    }


def test_a_warning_does_not_fail(tink, home):
    machine = home / "hardware" / "n1.yaml"
    machine.write_text(machine.read_text() + "netwerk: {}\n")
    result = tink("validate")
    assert result.code == 0
    assert result.out.startswith("warning: hardware/n1.yaml:")
    assert result.err == "no problems, 1 warning in 3 files\n"


def test_files_are_checked_together(tink, home):
    text = (home / "hardware" / "n1.yaml").read_text()
    other = text.replace("ce2e62ed", "ce2e62ee")
    (home / "hardware" / "twin.yaml").write_text(other)
    result = tink("validate")
    assert result.code == 1
    assert "08:00:27:00:00:01" in result.out
    assert "hardware/n1.yaml" in result.out


def test_a_template_that_no_request_uses_is_checked_as_well(tink, home):
    text = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
    bad = text.replace("hello_world_workflow", "other").replace("{{.device_1}}", "{{.device_1")
    (home / "templates" / "other.yaml").write_text(bad)
    result = tink("validate")
    assert result.code == 1
    assert result.out.startswith("templates/other.yaml:6:")


def test_a_request_that_can_not_become_a_workflow_is_a_problem(tink, home):
    (home / "workflows" / "x.yaml").write_text(f"template: {HELLO}\nhardware: {{}}\n")
    result = tink("validate")
    assert result.code == 1
    assert "device_1" in result.out


def test_a_link_is_no_document(tink, home):
    (home / "hardware" / "link.yaml").symlink_to("/etc/hostname")
    result = tink("validate")
    assert result.code == 1
    assert "hardware/link.yaml: is a symbolic link [file.symlink]" in result.out


def test_a_name_that_is_not_utf_8_is_told(tink, home):
    (home / "hardware" / os.fsdecode(b"caf\xe9.yaml")).write_text(BAD)
    result = tink("validate")
    assert result.code == 1
    assert "file.name" in result.out


def test_what_git_ignores_is_not_checked(tink, home):
    (home / ".gitignore").write_text("scratch.yaml\n")
    (home / "hardware" / "scratch.yaml").write_text(BAD)
    assert tink("validate").code == 0


def test_one_file_may_be_asked_for(tink, home):
    (home / "hardware" / "bad.yaml").write_text(BAD)
    assert tink("validate", "hardware/n1.yaml").code == 0
    assert tink("validate", "hardware/bad.yaml").code == 1


def test_a_commit_may_be_asked_for(tink, home):
    (home / "hardware" / "bad.yaml").write_text(BAD)
    git(home, "add", ".")
    git(home, "commit", "-qm", "Add a bad file")
    assert tink("validate", "--commit", "HEAD").code == 1
    assert tink("validate", "--commit", "HEAD~1").code == 0
    assert tink("validate", "--commit", "nonsense").code == 1


def test_a_bare_repository_is_checked_at_its_desired_branch(tink, home, tmp_path, monkeypatch):
    git(home, "clone", "-q", "--bare", str(home), str(tmp_path / "bare.git"))
    monkeypatch.chdir(tmp_path / "bare.git")
    assert tink("validate").err == "no problems in 3 files\n"


def test_a_folder_need_not_be_a_repository(tink, tmp_path):
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "bad.yaml").write_text(BAD)
    assert tink("validate", tmp_path).code == 1


def test_a_file_out_of_the_folders_is_refused(tink, home):
    result = tink("validate", "README.md")
    assert result.code == 1
    assert "hardware, templates, workflows" in result.err


def test_checking_changes_nothing(tink, home):
    (home / "hardware" / "new.yaml").write_text(BAD)
    before = git(home, "status", "--porcelain"), git(home, "count-objects")
    tink("validate")
    assert (git(home, "status", "--porcelain"), git(home, "count-objects")) == before


def test_documents_where_nothing_is_read_are_mentioned(tink, home):
    machine = (EXAMPLES / "hardware" / "rack3-n7.json").parent / "n1.yaml"
    (home / "Hardware").mkdir()
    (home / "Hardware" / "n1.yaml").write_text(machine.read_text())
    (home / "n1.yaml").write_text(machine.read_text())
    (home / "workflows" / "w.yam").write_text("template: x\nhardware: {}\n")
    (home / "templates" / "t.yaml.bak").write_text("version: 1\ntasks: []\n")
    kubernetes = '{"apiVersion": "tinkerbell.org/v1alpha1", "kind": "Workflow"}'
    (home / "cluster.json").write_text(kubernetes)
    result = tink("validate")
    assert result.code == 0
    found = [line.partition(" ")[2] for line in result.out.splitlines() if "warning: " in line]
    assert found == [
        "Hardware/: nothing in this folder is read [file.folder]",
        "cluster.json: a document at the root is not read [file.place]",
        "n1.yaml: a document at the root is not read [file.place]",
        "templates/t.yaml.bak: a document with this ending is not read [file.ending]",
        "workflows/w.yam: a document with this ending is not read [file.ending]",
    ]


def test_what_a_repository_holds_beside_its_documents_is_its_owners(tink, home):
    (home / "docs").mkdir()
    for name in ("docker-compose.yaml", "docs/x.yaml", "hardware/README.md", "hardware/list.txt"):
        (home / name).write_text("services: {}\n")
    (home / "package.json").write_text("{}")
    (home / "big.yaml").write_text("x" * 2_000_000)
    result = tink("validate")
    assert (result.code, result.out) == (0, "")
