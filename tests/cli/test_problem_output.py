"""Problems for what reads CI's results: no text of a file says more than it is."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import jsonschema
import pytest

from provisioner.cli import problem_github, problem_junit, problem_sarif
from provisioner.model.problem import Problem, Severity

BAD = "id: n1\n"
HOSTILE = "x\r\n::set-env name=A::1\n\x1b]0;\x00 100% a:b,c\u2028]]>&<failure>\ud800"


def closed(required, **properties):
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def many(items, **more):
    return {"type": "array", "items": items, **more}


TEXT, POSITIVE = {"type": "string"}, {"type": "integer", "minimum": 1}
# What SARIF 2.1.0 says of the objects that we write (3.14, 3.18, 3.19, 3.27, 3.29, 3.30, 3.49).
REGION = closed(["startLine"], startLine=POSITIVE, startColumn=POSITIVE)
ARTIFACT = closed(["uri"], uri={"type": "string", "format": "uri-reference"}, uriBaseId=TEXT)
RESULT = closed(
    ["message"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level={"enum": ["none", "note", "warning", "error"]},
    message=closed(["text"], text=TEXT),
    locations=many(
        closed([], physicalLocation=closed([], artifactLocation=ARTIFACT, region=REGION))
    ),
)
DRIVER = closed(
    ["name"], name=TEXT, version=TEXT, rules=many(closed(["id"], id=TEXT), uniqueItems=True)
)
SARIF = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **closed(
        ["version", "runs"],
        **{"$schema": {"type": "string", "format": "uri"}},
        version={"const": "2.1.0"},
        runs=many(
            closed(
                ["tool"],
                tool=closed(["driver"], driver=DRIVER),
                columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                results=many(RESULT),
            )
        ),
    ),
}


def a_problem(**fields):
    defaults = {"path": "hardware/n1.yaml", "line": 3, "column": 7, "code": "mac.format"}
    return Problem(**{**defaults, "message": "is wrong", **fields})


@pytest.fixture
def with_problems(home):
    (home / "hardware" / "bad.yaml").write_text(BAD)
    machine = home / "hardware" / "n1.yaml"
    machine.write_text(machine.read_text() + "netwerk: {}\n")


def test_sarif_names_rule_file_line_and_column(tink, with_problems):
    done = tink("validate", "-o", "sarif")
    log = json.loads(done.out)
    jsonschema.Draft7Validator(SARIF).validate(log)
    (run,) = log["runs"]
    first, second = run["results"]
    assert (done.code, first["ruleId"], first["level"]) == (1, "hardware.id", "error")
    assert second["level"] == "warning"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "hardware/bad.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 1, "startColumn": 5}
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])


def test_sarif_of_a_clean_repository_has_no_results(tink, home):
    log = json.loads(tink("validate", "-o", "sarif").out)
    jsonschema.Draft7Validator(SARIF).validate(log)
    assert log["runs"][0]["results"] == []


def test_in_sarif_a_path_is_a_uri_and_the_whole_file_has_no_region():
    log = problem_sarif.log([a_problem(path="hardware/räck 1#%.yaml", line=0, column=0)])
    jsonschema.Draft7Validator(SARIF).validate(log)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "hardware/r%C3%A4ck%201%23%25.yaml"
    assert "region" not in place


def test_in_junit_a_file_is_a_test_case(tink, with_problems):
    done = tink("validate", "-o", "junit")
    root = ElementTree.fromstring(done.out)
    (suite,) = root
    assert (root.tag, suite.tag, done.code) == ("testsuites", "testsuite", 1)
    for counted in (root, suite):
        counts = {name: counted.get(name) for name in ("tests", "failures", "errors")}
        assert counts == {"tests": "4", "failures": "1", "errors": "0"}
    cases = {case.get("name"): case for case in suite}
    failure = cases["hardware/bad.yaml"].find("failure")
    assert failure.get("type") == "hardware.id"
    assert failure.text.startswith("hardware/bad.yaml:1:5: ")
    assert [each.tag for each in cases["hardware/n1.yaml"]] == ["system-out"]
    assert list(cases["hardware/n2.yaml"]) == []


def test_in_junit_all_errors_of_a_file_are_one_failure():
    problems = [a_problem(line=1), a_problem(line=2, code="ip.format")]
    (case,) = ElementTree.fromstring(problem_junit.document(problems, []))[0]
    (failure,) = case
    assert "n1.yaml:1:7: " in failure.text
    assert "n1.yaml:2:7: " in failure.text


@pytest.mark.parametrize("severity", list(Severity))
def test_no_text_of_a_file_breaks_out_of_junit(severity):
    hostile = a_problem(path=HOSTILE, message=HOSTILE, hint=HOSTILE, severity=severity)
    (case,) = ElementTree.fromstring(problem_junit.document([hostile], []).encode())[0]
    (said,) = case
    assert said.tag == {"error": "failure", "warning": "system-out"}[severity]
    assert "]]>&<failure>" in said.text
    assert list(said) == []


def test_a_github_command_names_file_line_and_column(tink, with_problems):
    done = tink("validate", "-o", "github")
    first, second = done.out.splitlines()
    head = "::error file=hardware/bad.yaml,line=1,col=5,title=hardware.id::"
    assert first.startswith(f"{head}hardware/bad.yaml:1:5: ")
    assert "%0A  Hint: " in first
    assert second.startswith("::warning file=hardware/n1.yaml,line=")
    assert done.code == 1


def test_a_github_command_of_a_whole_file_names_no_line():
    (line,) = problem_github.lines([a_problem(line=0, column=0)])
    assert line.startswith("::error file=hardware/n1.yaml,title=mac.format::")


def test_github_commands_are_escaped_as_github_documents():
    (line,) = problem_github.lines([a_problem(path="a%b:c,d\r\n.yaml", message="x: 1%, y\r\nz")])
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert properties == "file=a%25b%3Ac%2Cd%0D%0A.yaml,line=3,col=7,title=mac.format"
    assert message.endswith(".yaml:3:7: x: 1%25, y%0D%0Az [mac.format]")


def test_no_text_of_a_file_begins_a_github_command():
    (line,) = problem_github.lines([a_problem(path=HOSTILE, message=HOSTILE, hint=HOSTILE)])
    assert len(line.splitlines()) == 1
    assert not [char for char in line if not char.isprintable()]
    assert line.partition("::error ")[2].partition("::")[0].count(",") == 3  # of ours


def test_a_file_that_holds_a_github_command_gives_none(tink, home):
    for name in ("::error::x.yaml", "n::add-mask::y.yaml"):
        (home / "hardware" / name).write_text('id: "a\\n::set-output name=x::y"\n')
    (home / "hardware" / "a\n::stop-commands::z.yaml").write_text(BAD)
    (home / "templates" / "t.yaml").write_text('name: "t\\n::error::forged"\ntasks: 1\n')
    done = tink("validate", "-o", "github")
    assert done.code == 1
    assert "x.yaml" in done.out
    lines = done.out.splitlines()
    heads = ("::error file=hardware/", "::error file=templates/", "::warning file=")
    assert [line for line in lines if not line.startswith(heads)] == []
    assert "::" not in done.err
