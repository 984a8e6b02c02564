"""`tink import` and `tink export`: in from other Tinkerbells, and out again."""

from __future__ import annotations

import json

from tests.cli.repository import EXAMPLES, HELLO, N1, N2, git

MACHINES = (
    {"id": N1, "metadata": '{"state":"in_use"}', "network": {"interfaces": []}},
    {"id": "0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94"},
)


def test_what_is_exported_imports_as_the_same_machines(tink, home, tmp_path):
    machines = json.loads(tink("hardware", "get", "-o", "json").out)
    assert tink("export", "--out", tmp_path / "out").code == 0
    tink("init", tmp_path / "other")
    result = tink("--repo", tmp_path / "other", "import", tmp_path / "out")
    assert result.code == 0
    again = json.loads(tink("--repo", tmp_path / "other", "hardware", "get", "-o", "json").out)
    assert {each["id"] for each in again} == {each["id"] for each in machines}
    macs = {each["network"]["interfaces"][0]["dhcp"]["mac"] for each in again}
    assert macs == {"08:00:27:00:00:01", "08:00:27:00:00:02"}


def test_an_import_is_one_commit_of_one_file_for_each_object(tink, home, tmp_path):
    tink("hardware", "delete", N1, N2)
    (tmp_path / "dump.json").write_text(json.dumps({"data": MACHINES}))
    result = tink("import", tmp_path / "dump.json")
    assert result.code == 0
    assert result.err.endswith("2 files from 1 sources\n")
    changed = git(home, "show", "--name-only", "--format=%s", "main").split("\n", 1)
    assert changed[0].startswith("Import 2 files from ")
    assert len(changed[1].split()) == 2


def test_a_dry_run_writes_nothing(tink, home, tmp_path):
    tink("hardware", "delete", N1, N2)
    before = git(home, "rev-parse", "main")
    result = tink("import", "--dry-run", piped=json.dumps({"data": MACHINES}))
    assert result.code == 0
    assert "standard input: hardware/" in result.out
    assert git(home, "rev-parse", "main") == before


def test_what_exists_is_overwritten_only_on_request(tink, home, tmp_path):
    tink("export", "--kind", "hardware", "--out", tmp_path / "out")
    result = tink("import", tmp_path / "out")
    assert result.code == 1
    assert "exists already" in result.err
    assert "--force" in result.err
    assert tink("import", "--force", tmp_path / "out").code == 0


def test_an_import_that_would_clash_is_refused_whole(tink, home, tmp_path):
    before = git(home, "rev-parse", "main")
    result = tink("import", piped=json.dumps({"data": MACHINES}))
    assert result.code == 1
    assert N1 in result.err
    assert git(home, "rev-parse", "main") == before


def test_nothing_given_says_what_to_give(tink, home):
    result = tink("import")
    assert result.code == 1
    assert "name files, or pipe a dump" in result.err


def test_export_prints_documents_that_kubectl_takes(tink, home):
    out = tink("export", HELLO).out
    assert out.startswith("---\napiVersion: tinkerbell.org/v1alpha1\nkind: Template\n")
    assert "{{.device_1}}" in out


def test_export_of_an_unknown_object_is_refused(tink, home):
    result = tink("export", "nobody")
    assert result.code == 1
    assert "no object 'nobody'" in result.err


def test_export_never_mixes_with_other_files(tink, home, tmp_path):
    (tmp_path / "mine").write_text("mine")
    assert tink("export", "--out", tmp_path).code == 1


def test_the_examples_import(tink, tmp_path):
    tink("init", "site")
    folders = [EXAMPLES / folder for folder in ("hardware", "templates", "workflows")]
    result = tink("--repo", tmp_path / "site", "import", *folders)
    assert result.code == 0, result.err
    assert tink("validate", tmp_path / "site").code == 0
