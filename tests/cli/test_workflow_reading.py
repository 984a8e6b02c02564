"""`tink workflow get|list|state|events|data|logs` on a branch that a real server wrote."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest
import yaml

from provisioner import resources
from provisioner.git.repo import GitRepo
from provisioner.store.upkeep import maintenance
from provisioner.store.writer.lock import WriterLock
from tests.cli.repository import EXAMPLES, HELLO, N1, git

MAC = "08:00:27:00:00:01"
NOBODY = "00000000-0000-7000-8000-000000000000"

pytestmark = [pytest.mark.network]


@pytest.fixture
def stand(written, monkeypatch, tink):
    monkeypatch.chdir(written.site)
    return tink


def test_get_prints_the_rendered_workflow(stand, written):
    out = stand("workflow", "get", written.done).out
    text = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
    assert out == text.replace("{{.device_1}}", MAC)


def test_an_id_may_be_in_upper_case(stand, written):
    assert stand("workflow", "get", written.done.upper()).code == 0


def test_get_without_ids_is_the_list_with_states(stand, written):
    lines = stand("workflow", "get").out.splitlines()
    assert [cell.strip() for cell in lines[1].strip("|").split("|")] == [
        "ID",
        "TEMPLATE ID",
        "STATE",
        "CREATED AT",
        "UPDATED AT",
    ]
    states = {line.split("|")[1].strip(): line.split("|")[3].strip() for line in lines[3:-1]}
    assert states == {written.done: "STATE_SUCCESS", written.waiting: "STATE_PENDING"}


def test_get_as_classic_json_has_numbers_for_states_and_leaves_out_zeros(stand, written):
    out = stand("workflow", "get", written.done, written.waiting, "--format", "json").out
    done, waiting = json.loads(out)["data"]
    assert done["state"] == 4
    assert "state" not in waiting
    assert done["template"] == HELLO
    assert json.loads(done["hardware"]) == {"device_1": MAC}
    assert done["data"].startswith('version: "0.1"\n')


def test_get_as_csv(stand, written):
    out = stand("workflow", "get", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["ID"] for row in rows] == [written.done, written.waiting]
    assert list(rows[0]) == ["ID", "Template ID", "State", "Created At", "Updated At"]


def test_get_as_json_is_an_object_for_one_id_and_a_list_for_several(stand, written):
    one = json.loads(stand("workflow", "get", written.done, "-o", "json").out)
    assert one["id"] == written.done
    assert one["state"] == "STATE_SUCCESS"
    two = json.loads(stand("workflow", "get", written.done, written.waiting, "-o", "json").out)
    assert [each["id"] for each in two] == [written.done, written.waiting]


def test_an_unknown_workflow_is_told(stand):
    result = stand("workflow", "get", NOBODY)
    assert result.code == 1
    assert f"no workflow '{NOBODY}'" in result.err


def test_the_beginning_of_an_id_will_do_where_it_is_one_workflows(stand, written):
    shown = json.loads(stand("workflow", "get", written.done[:-2], "-o", "json").out)
    assert shown["id"] == written.done
    assert written.done in stand("workflow", "state", written.done[:-2].upper()).out
    both = written.done[:4]
    assert written.waiting.startswith(both)
    result = stand("workflow", "get", both)
    assert result.code == 1
    assert f"2 workflows have an id that begins with {both}" in result.err
    assert written.done in result.err and written.waiting in result.err
    result = stand("workflow", "get", "0000")
    assert result.code == 1 and "no workflow '0000'" in result.err


def test_list_shows_the_device_map_and_times_of_this_zone(stand, written):
    row = stand("workflow", "list").out.splitlines()[3]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == [written.done, HELLO, '{"device_1": "08:00:27:00:00:01"}']
    assert cells[3][10] == " "
    assert "+0000" in cells[3]


def test_list_wide_adds_state_progress_name_and_request(stand, written):
    row = stand("workflow", "list", "-o", "wide").out.splitlines()[3]
    assert "| STATE_SUCCESS | 100%     | hello_world_workflow | workflows/hello" in row


def test_state_is_classic_tinks_table(stand, written):
    assert stand("workflow", "state", written.done).out == (
        "+----------------------+--------------------------------------+\n"
        "| FIELD NAME           | VALUES                               |\n"
        "+----------------------+--------------------------------------+\n"
        f"| Workflow ID          | {written.done} |\n"
        "| Workflow Progress    | 100%                                 |\n"
        "| Current Task         | hello world                          |\n"
        "| Current Action       | hello_world                          |\n"
        f"| Current Worker       | {N1} |\n"
        "| Current Action State | STATE_SUCCESS                        |\n"
        "+----------------------+--------------------------------------+\n"
    )


def test_events_are_classic_tinks_table_with_a_time(stand, written):
    lines = stand("workflow", "events", written.done).out.splitlines()
    assert [cell.strip() for cell in lines[1].strip("|").split("|")][-1] == "TIME"
    last = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert last[:3] == [N1, "hello world", "hello_world"]
    assert last[3] == "12"
    assert last[5] == "STATE_SUCCESS"
    assert last[6].endswith("Z")


def test_events_of_an_unknown_workflow_are_an_error_and_no_empty_table(stand):
    result = stand("workflow", "events", NOBODY)
    assert (result.code, result.out) == (1, "")
    assert "no workflow" in result.err


def test_events_wide_tell_of_data_versions(stand, written):
    out = stand("workflow", "events", written.done, "-o", "wide").out
    assert "data version 2: 2 files, 5 B" in out


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_events_as_data_are_what_the_server_shows(stand, written, form):
    shown = yaml.safe_load(stand("workflow", "events", written.done, "-o", form).out)
    assert [each["kind"] for each in shown] == [
        "action_reported",
        "data_pushed",
        "data_pushed",
        "action_reported",
    ]
    assert shown == written.events
    rules = json.loads(resources.schema_text("read/v1/event.json"))
    for each in shown:
        jsonschema.validate(each, rules, jsonschema.Draft7Validator)


def test_data_prints_the_file_named_data(stand, written):
    assert stand("workflow", "data", written.done).out == "two\n"
    assert stand("workflow", "data", written.done, "-v", "1").out == "one\n"
    assert stand("workflow", "data", written.done, "-v", "0").out == "two\n"


def test_a_workflow_without_data_prints_an_empty_line(stand, written):
    assert stand("workflow", "data", written.waiting).out == "\n"


def test_a_version_that_is_not_there_is_told(stand, written):
    result = stand("workflow", "data", written.done, "-v", "9")
    assert result.code == 1
    assert "no data version" in result.err


def test_data_metadata_has_classic_tinks_keys(stand, written):
    told = json.loads(stand("workflow", "data", written.done, "-m").out)
    assert told["workerID"] == N1
    assert told["actionName"] == "hello_world"
    assert len(told["sha256"]) == 64
    assert told["version"] == 2


def test_data_latest_prints_the_number(stand, written):
    out = stand("workflow", "data", written.done, "-l").out
    assert out == "Latest workflow data version: 2\n"


def test_data_out_writes_files_with_their_modes(stand, written, tmp_path):
    result = stand("workflow", "data", written.done, "--out", tmp_path / "out")
    assert "wrote 2 files (version 2)" in result.err
    assert (tmp_path / "out" / "data").read_bytes() == b"two\n"
    assert (tmp_path / "out" / "bin" / "x").read_bytes() == b"\0"
    assert (tmp_path / "out" / "bin" / "x").stat().st_mode & 0o100


def test_data_out_never_overwrites(stand, written, tmp_path):
    (tmp_path / "mine").write_text("mine")
    result = stand("workflow", "data", written.done, "--out", tmp_path)
    assert result.code == 1
    assert "is not empty" in result.err


def test_logs_are_titled_by_run(stand, written):
    out = stand("workflow", "logs", written.done).out
    assert out.startswith("== 0 hello world / hello_world: STATE_SUCCESS\nhello\n")


def test_the_log_of_one_action_is_printed_as_it_is(stand, written):
    out = stand("workflow", "logs", written.done, "--action", "hello_world").out
    assert out == "hello\n\x1b[31mred\n"
    assert stand("workflow", "logs", written.done, "--action", "0").out == out


def test_the_log_of_an_action_that_is_not_there_is_told(stand, written):
    result = stand("workflow", "logs", written.done, "--action", "nope")
    assert result.code == 1
    assert "no run 'nope" in result.err


def test_a_clone_shows_what_it_fetched(stand, written, tmp_path, monkeypatch):
    git(written.site, "clone", "-q", str(written.site), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    assert stand("workflow", "list", "-q").out.split() == [written.done, written.waiting]


def test_a_remote_url_shows_workflows_and_older_data(stand, written, monkeypatch):
    monkeypatch.chdir("/")
    words = ("--repo", written.site.as_uri(), "workflow")
    assert stand(*words, "list", "-q").out.split() == [written.done, written.waiting]
    assert stand(*words, "data", written.done, "-v", "1").out == "one\n"


def test_fsck_proves_the_branch(stand):
    result = stand("fsck")
    assert result.code == 0
    assert result.out.startswith("all is true: ")
    told = json.loads(stand("fsck", "-o", "json").out)
    assert told["workflows"] == 2
    assert told["problems"] == []


def test_fsck_tells_of_a_branch_that_was_tampered_with(stand, written, tmp_path, monkeypatch):
    git(written.site, "clone", "-q", "-b", "status", str(written.site), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    (path,) = (tmp_path / "clone" / "status").rglob(f"{written.done}.json")
    path.write_text(path.read_text().replace('"seconds": 12', '"seconds": 2'))
    git(tmp_path / "clone", "commit", "-qam", "nobody will see")
    result = stand("fsck")
    assert result.code == 1
    assert written.done in result.out


def test_stats_count_what_the_branch_holds(stand):
    told = json.loads(stand("status-branch", "stats", "-o", "json").out)
    assert (told["workflows"], told["events"]) == (2, 4)
    shown = stand("status-branch", "stats").out
    assert "| Workflows " in shown
    assert re.search(r"\| Last maintenance at +\| never ", shown)


def test_stats_tell_when_the_last_maintenance_was(stand, written, tmp_path):
    copy = shutil.copytree(written.site, tmp_path / "copy")
    with closing(GitRepo(copy)) as repo:
        maintenance.run(repo, now=1_767_225_600.0)
    shown = stand("--repo", str(copy), "status-branch", "stats").out
    assert re.search(r"\| Last maintenance at +\| 2026-01-01T00:00:00Z ", shown)


@pytest.fixture
def archived(stand, written, tmp_path, monkeypatch):
    """What was said before and after `done` moved to the archive, in a copy of the site."""
    shutil.copytree(written.site, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    asked = [
        ("workflow", "get", written.done),
        ("workflow", "state", written.done),
        ("workflow", "events", written.done),
        ("workflow", "data", written.done),
        ("workflow", "logs", written.done),
        ("workflow", "list", "--all"),
    ]
    before = [stand(*words) for words in asked]
    told = stand("status-branch", "archive", "--older-than", "0")
    return told, before, [stand(*words) for words in asked]


def test_every_verb_says_the_same_of_an_archived_workflow(archived, stand, written):
    told, before, after = archived
    assert told.out == "archived 1 finished workflow on branch status-archive\n"
    assert written.done not in git(Path.cwd(), "ls-tree", "-r", "--name-only", "status")
    assert written.done in git(Path.cwd(), "ls-tree", "-r", "--name-only", "status-archive")
    assert [each.code for each in before] == [0] * len(before)
    assert after == before
    assert stand("fsck").code == 0


def test_a_remote_is_read_with_its_archive(archived, stand, written):
    url = f"file://{Path.cwd()}"
    assert stand("--repo", url, "workflow", "state", written.done).out == archived[1][1].out


def test_young_workflows_are_not_archived(stand, written, tmp_path, monkeypatch):
    shutil.copytree(written.site, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    told = stand("status-branch", "archive", "--older-than", "1")
    assert told.out == "archived 0 finished workflows on branch status-archive\n"


def test_nothing_is_archived_beside_a_server(stand, written, tmp_path, monkeypatch):
    shutil.copytree(written.site, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    with closing(GitRepo(tmp_path / "copy")) as repo:
        lock = WriterLock(repo.own_dir)
        refused = stand("status-branch", "archive", "--older-than", "0")
        lock.release()
    assert refused.code == 1
    assert "writes the status branch of this repository already" in refused.err
    assert "tink serve --archive-after DAYS" in refused.err
