"""`tink hardware`, in classic tink's words and shapes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.repository import EXAMPLES, N1, N2, git

ROOT = Path(__file__).resolve().parents[2]

NEW: dict[str, Any] = {
    "id": "0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94",
    "network": {"interfaces": [{"dhcp": {"mac": "00:25:90:E7:6C:78", "hostname": "n3"}}]},
}

LIST = f"""\
+--------------------------------------+-------------------+-------------+----------+
| ID                                   | MAC ADDRESS       | IP ADDRESS  | HOSTNAME |
+--------------------------------------+-------------------+-------------+----------+
| {N1} | 08:00:27:00:00:01 | 192.168.1.5 | n1       |
| {N2} | 08:00:27:00:00:02 | 192.168.1.6 | n2       |
+--------------------------------------+-------------------+-------------+----------+
"""

MAC = f"""\
+-------------+--------------------------------------+
| FIELD NAME  | VALUE                                |
+-------------+--------------------------------------+
| ID          | {N1} |
| MAC Address | 08:00:27:00:00:01                    |
| IP Address  | 192.168.1.5                          |
| Hostname    | n1                                   |
+-------------+--------------------------------------+
"""


def test_push_commits_one_file_and_says_so(tink, home):
    before = git(home, "rev-list", "--count", "main")
    result = tink("hardware", "push", piped=json.dumps(NEW))
    assert result.code == 0
    assert result.out == ""
    assert "committed hardware/n3.yaml on branch main\n" in result.err
    assert re.search(
        r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d Hardware data pushed successfully$", result.err, re.M
    )
    assert int(git(home, "rev-list", "--count", "main")) == int(before) + 1
    assert git(home, "log", "-1", "--format=%s") == "Add hardware n3\n"
    assert git(home, "status", "--porcelain") == ""


def test_push_keeps_every_value_of_the_document(tink, home):
    path = EXAMPLES / "hardware" / "rack3-n7.json"
    assert tink("hardware", "push", "--file", path).code == 0
    told = tink("hardware", "id", NEW["id"]).out
    assert json.loads(told) == json.loads(path.read_text())


def test_pushing_the_same_id_again_changes_that_file(tink, home):
    changed = json.loads(tink("hardware", "id", N1).out)
    changed["network"]["interfaces"][0]["dhcp"]["hostname"] = "renamed"
    assert tink("hardware", "push", piped=json.dumps(changed)).code == 0
    assert "renamed" in (home / "hardware" / "n1.yaml").read_text()
    assert len(list((home / "hardware").glob("*.yaml"))) == 2


def test_pushing_what_is_there_already_commits_nothing(tink, home):
    tink("hardware", "push", piped=json.dumps(NEW))
    before = git(home, "rev-parse", "main")
    result = tink("hardware", "push", piped=json.dumps(NEW))
    assert result.code == 0
    assert "nothing to commit" in result.err
    assert git(home, "rev-parse", "main") == before


def test_a_file_that_is_named_leaves_standard_input_alone(tink, home):
    """It may be the list of a shell's loop."""
    path = home / "new.json"
    path.write_text(json.dumps(NEW))
    assert tink("hardware", "push", "--file", path, piped="another line of a list").code == 0
    assert NEW["id"] in tink("hardware", "list", "-q").out


def test_a_list_that_a_loop_reads_is_not_eaten(home):
    """And a pipe that nobody closes is not waited for."""
    names = []
    for number in (5, 6):
        document = json.loads(json.dumps(NEW).replace(NEW["id"], f"{number}" * 8 + NEW["id"][8:]))
        interface = document["network"]["interfaces"][0]
        interface["dhcp"] |= {"mac": f"08:00:27:00:01:0{number}"}
        interface["dhcp"].pop("ip", None)
        names.append(home / f"{number}.json")
        names[-1].write_text(json.dumps(document))
    tink = f"{sys.executable} -m provisioner.cli"
    loop = (
        f'printf "%s\\n%s\\n" "$1" "$2" | while read f; do {tink} hardware push --file "$f"; done'
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", loop, "sh", *names], capture_output=True, text=True, env=environment
    )
    assert done.stderr.count("committed hardware/") == 2, done.stderr
    words = [*tink.split(), "hardware", "push", "--file", names[0]]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as waiting:
        assert waiting.wait() == 0  # its standard input is open still


def test_an_empty_pipe_gives_way_to_the_file(tink, home):
    path = EXAMPLES / "hardware" / "rack3-n7.json"
    assert tink("hardware", "push", "--file", path, piped="").code == 0
    assert (home / "hardware" / "rack3-n7.yaml").exists()


def test_push_of_nothing_says_what_to_give(tink, home):
    result = tink("hardware", "push")
    assert result.code == 1
    assert "either pipe the data or provide the required '--file' flag" in result.err


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "standard input"),
        ("{}", "id"),
        ('{"id": "n1"}', "UUID"),
        ('{"id": "0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94", "network": 5}', "network"),
    ],
)
def test_a_bad_document_is_refused_with_its_place_and_nothing_is_committed(
    tink, home, document, words
):
    before = git(home, "rev-parse", "main")
    result = tink("hardware", "push", piped=document)
    assert result.code == 1
    assert words in result.err
    assert "Traceback" not in result.err
    assert git(home, "rev-parse", "main") == before


def test_a_field_that_nobody_knows_is_told_and_kept(tink, home):
    result = tink("hardware", "push", piped=json.dumps({**NEW, "netwerk": {}}))
    assert result.code == 0
    assert "Warning: standard input:1" in result.err
    assert "netwerk" in result.err


def test_a_mac_of_another_machine_is_refused(tink, home):
    clash = {**NEW, "network": {"interfaces": [{"dhcp": {"mac": "08:00:27:00:00:01"}}]}}
    before = git(home, "rev-parse", "main")
    result = tink("hardware", "push", piped=json.dumps(clash))
    assert result.code == 1
    assert "08:00:27:00:00:01" in result.err
    assert "hardware/n1.yaml" in result.err
    assert git(home, "rev-parse", "main") == before


def test_list_is_classic_tinks_table(tink, home):
    assert tink("hardware", "list").out == LIST
    assert tink("hardware", "get").out == LIST


def test_list_quiet_prints_an_id_per_interface(tink, home):
    assert tink("hardware", "list", "-q").out == f"{N1}\n{N2}\n"


def test_get_takes_ids_their_beginnings_and_names(tink, home):
    for name in (N2, N2[:8], "n2", "N2"[0].lower() + "2", "08:00:27:00:00:02"):
        result = tink("hardware", "get", name, "--no-headers")
        assert result.code == 0
        assert N2 in result.out and N1 not in result.out and "MAC ADDRESS" not in result.out


def test_get_of_an_unknown_one_is_an_error_and_no_empty_table(tink, home):
    result = tink("hardware", "get", N2, "00000000-0000-0000-0000-000000000000")
    assert (result.code, result.out) == (1, "")
    assert "no machine '00000000-0000-0000-0000-000000000000'" in result.err


def test_get_as_classic_json_holds_metadata_as_a_string(tink, home):
    out = tink("hardware", "get", N1, "--format", "json").out
    assert not out.endswith("\n")
    (machine,) = json.loads(out)["data"]
    assert json.loads(machine["metadata"])["facility"] == {"facility_code": "onprem"}


def test_get_as_csv(tink, home):
    out = tink("hardware", "get", N1, "--format", "csv").out
    assert out == f"ID,MAC Address,IP Address,Hostname\n{N1},08:00:27:00:00:01,192.168.1.5,n1\n"


def test_id_prints_one_line_of_json_with_sorted_keys(tink, home):
    out = tink("hardware", "id", N1, N2).out
    first, second = out.splitlines()
    assert list(json.loads(first)) == ["id", "metadata", "network"]
    assert json.loads(second)["id"] == N2
    assert '": ' not in first


@pytest.mark.parametrize("spelling", ["08:00:27:00:00:01", "08-00-27-00-00-01", "080027000001"])
def test_a_machine_is_found_by_mac_in_any_spelling(tink, home, spelling):
    assert tink("hardware", "mac", spelling).out == MAC


def test_a_machine_is_found_by_ip(tink, home):
    assert tink("hardware", "ip", "192.168.1.5").out == MAC


def test_details_are_the_whole_document(tink, home):
    assert json.loads(tink("hardware", "ip", "192.168.1.5", "-d").out)["id"] == N1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mac", "zz"), "'zz' is not a MAC address"),
        (("ip", "1.2.3"), "'1.2.3' is not an IP address"),
        (("mac", "aa:bb:cc:dd:ee:ff"), "no hardware 'aa:bb:cc:dd:ee:ff'"),
        (("id", "n9"), "no machine 'n9'"),
    ],
)
def test_a_wrong_or_unknown_address_is_told(tink, home, words, message):
    result = tink("hardware", *words)
    assert result.code == 1
    assert message in result.err


def test_delete_tells_the_fate_of_each(tink, home):
    result = tink("hardware", "delete", N1, "nobody")
    assert result.code == 1
    assert result.out == f"Deleted\t{N1}\n"
    assert "Error\tnobody\tnot found\n" in result.err
    assert not (home / "hardware" / "n1.yaml").exists()
    assert git(home, "log", "-1", "--format=%s") == "Delete hardware n1\n"


def test_a_file_that_holds_several_machines_is_not_rewritten(tink, home):
    text = "".join(
        f"---\napiVersion: tinkerbell.org/v1alpha1\nkind: Hardware\nmetadata: {{name: {name}}}\n"
        "spec: {}\n"
        for name in ("a", "b")
    )
    (home / "hardware" / "both.yaml").write_text(text)
    git(home, "add", ".")
    git(home, "commit", "-qm", "two")
    wanted = json.loads(tink("hardware", "get", "-o", "json").out)
    name = next(each["id"] for each in wanted if each["id"] not in (N1, N2))
    result = tink("hardware", "delete", name)
    assert result.code == 1
    assert "hardware/both.yaml holds 2 documents" in result.err


def test_uncommitted_changes_of_a_person_are_never_overwritten(tink, home):
    path = home / "hardware" / "n1.yaml"
    path.write_text(path.read_text() + "# mine\n")
    changed = json.loads(tink("hardware", "id", N1).out)
    changed["metadata"]["state"] = "in_use"
    result = tink("hardware", "push", piped=json.dumps(changed))
    assert result.code == 1
    assert "uncommitted changes" in result.err
    assert path.read_text().endswith("# mine\n")
