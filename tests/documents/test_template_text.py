"""A template's text stays as it is; what no rendering can put right is told at once."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotemplate import template
from provisioner.documents.template_text import static_name
from provisioner.model.ids import template_id
from provisioner.model.problem import Severity
from tests.documents.document_reading import decode, shown

HELLO = """\
version: "0.1"
name: hello
global_timeout: 600
tasks:
  - name: "hello world"
    worker: "{{.device_1}}"
    actions:
      - name: "hello_world"
        image: hello-world
        timeout: 60
"""


def template_of(text, path="templates/hello.yaml"):
    decoded = decode(path, text)
    assert not decoded.problems, [str(each) for each in decoded.problems]
    (template,) = decoded.templates
    return template


def problems_of(text):
    decoded = decode("templates/hello.yaml", text)
    assert not decoded.templates
    return shown(decoded.problems)


def test_the_text_is_kept_as_it_is():
    text = "# é\r\n" + HELLO.replace("\n", "\r\n")
    template = template_of(text)
    assert template.text == text
    assert (template.name, template.id) == ("hello", template_id("hello"))
    assert (template.first_line, template.indent) == (1, 0)


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".tmpl"])
def test_any_of_the_endings_will_do(ending):
    assert template_of(HELLO, f"templates/hello{ending}").name == "hello"


def test_a_template_in_json_is_read():
    text = '{"version": "0.1", "name": "j", "tasks": [{"name": "a", "worker": "{{.d}}",\n'
    text += '\t"actions": [{"name": "b", "image": "c"}]}]}'
    assert template_of(text, "templates/j.json").name == "j"


def test_a_kubernetes_template_in_json_holds_yaml():
    text = json.dumps(
        {
            "apiVersion": "tinkerbell.org/v1alpha1",
            "kind": "Template",
            "metadata": {"name": "k"},
            "spec": {"data": HELLO},
        }
    )
    assert template_of(text, "templates/k.json").text == HELLO


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"{{.device_1}}"', "{{.device_1}}"),
        ("image: hello-world", "image: {{.registry}}/hello:{{.tag}}"),
        ("image: hello-world", 'image: "{{.image}}"'),
        ("timeout: 60\n", "timeout: {{.seconds}}\n"),
        ("timeout: 60\n", "timeout: 60\n        environment: {{.all}}\n"),
        ("timeout: 60\n", "{{.key}}: {{.value}}\n"),
        ("timeout: 60\n", "{{if .x}}timeout: 60{{end}}\n"),
        ("timeout: 60\n", "timeout: 60\n{{ range .devices }}\n      - {{ . }}\n{{ end }}\n"),
        ("timeout: 60\n", "timeout: 60\n{{ .more | toYaml | indent 8 }}\n"),
        ("timeout: 60\n", "timeout: {{- 60 -}}\n"),
        ("timeout: 60\n", 'command: ["{{`{{.x}}`}}", "{{"}}"}}"]\n'),
        ("timeout: 60\n", "timeout: {{/* a comment: with\n    - yaml in it */}}60\n"),
        ("timeout: 60\n", "{{.a}}: {{.b}}\n        {{.c}}: {{.d}}\n"),
        ("timeout: 60\n", "<<: {{ .more | toJson }}\n"),
        ("image: hello-world", "{{.key}}: hello-world"),
        (HELLO[HELLO.index("tasks:") :], "tasks: {{ .tasks | toJson }}\n"),
        (HELLO[HELLO.index("tasks:") :], "tasks:\n  - {{ .task | toJson }}\n"),
        (HELLO[HELLO.index("    actions:") :], "    actions: {{ .actions | toJson }}\n"),
        (HELLO[HELLO.index("      - name") :], "      - {{ .action | toJson }}\n"),
        ("name: hello\n", "name: hello # the name\n"),
        ("name: hello\n", "'name': 'hello'\n"),
        ("name: hello\n", 'name : "hello"\n'),
    ],
)
def test_what_rendering_may_put_right_is_left_to_it(old, new):
    assert old in HELLO
    assert template_of(HELLO.replace(old, new)).name == "hello"


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("timeout: 60\n", "retries: 3\n", ["10:9 template.unknown"]),
        ("timeout: 60\n", "timeout: 60s\n", ["10:18 template.type"]),
        ('"{{.device_1}}"', "{{.device_1}}\n    wroker: x", ["7:5 template.unknown"]),
        ("image: hello-world", "image: Hello", ["9:16 template.image"]),
        ('"0.1"', '"1.0"', ["1:10 template.version"]),
        ("    actions:", "\tactions:", ["7:1 yaml.tab"]),
        ("  - name", "   name", ["6:5 yaml.syntax"]),
        ("timeout: 60\n", "timeout: 60\n        image: x\n", ["11:9 yaml.duplicate"]),
        ("name: hello\n", "", ["1:1 template.name"]),
        ('  - name: "hello world"', '  {{.dash}} name: "hello world"', ["6:5 yaml.syntax"]),
        ("tasks:", "x: &x !!python/y z\ntasks:", ["4:4 yaml.tag"]),
    ],
)
def test_what_no_rendering_can_put_right_is_told_at_once(old, new, problems):
    assert old in HELLO
    assert problems_of(HELLO.replace(old, new)) == problems


def test_a_name_must_not_depend_on_rendering():
    for name in ("{{.name}}", '"a-{{.name}}"', "{{ if .x }}a{{ end }}"):
        assert problems_of(HELLO.replace("name: hello\n", f"name: {name}\n")) == [
            "0:0 template.name"
        ]


def test_a_name_with_spaces_is_a_name():
    assert template_of(HELLO.replace("hello\n", "Ubuntu 20.04\n")).name == "Ubuntu 20.04"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tasks:\n  - name: inner\nname: outer\n", "outer"),
        ("  version: 1\n  name: indented\n", "indented"),
        ("{{ $x := 1 }}\nname: after\n", "after"),
        ("# name: comment\nname: real\n", "real"),
        ("---\nname: behind\n", "behind"),
        ('{"tasks": [], "name": "json"}', "json"),
        ("name:\n", ""),
        ("names: x\n", ""),
        ("", ""),
    ],
)
def test_the_name_is_found_without_reading_the_rest(text, name):
    assert static_name(text) == name


def test_a_second_document_is_a_warning():
    decoded = decode("templates/hello.yaml", HELLO + "---\nx: 1\n")
    assert decoded.templates
    assert [each.code for each in decoded.problems] == ["template.documents"]


def test_several_mistakes_are_told():
    text = HELLO.replace("timeout: 60\n", "retries: 3\n").replace("image:", "imgae:")
    assert len(problems_of(text)) >= 2


def test_a_template_that_is_not_utf_8_is_told():
    assert shown(decode("templates/x.yaml", b"name: \xff\n").problems) == ["1:7 file.encoding"]


def test_a_large_template_is_refused():
    text = "#" * 1_048_577
    assert [each.code for each in decode("templates/x.yaml", text).problems] == ["file.size"]


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 400_000,
        "{{`" * 300_000,
        '{{"' * 300_000,
        "{{/*" * 250_000,
        "{{\n" * 300_000,
        "name: {{" + "x" * 900_000,
        "name: a" + " " * 900_000 + "b",
        "name: a" + " #" * 400_000,
        "\tx\n" * 300_000,
        '"name"' + " " * 900_000,
        "a: {{ x }}\n" * 90_000,
    ],
)
@pytest.mark.timeout(5)
def test_a_hostile_text_ends_in_time(text):
    decode("templates/x.yaml", text)


FULL = (
    HELLO.replace("{{.device_1}}", "10.0.0.2")
    + """\
        command: ["sh", "-c", 'echo "a: b"']
        volumes: [/a:/b, /c:/d:ro]
        environment:
          CONTENTS: |
            network:
              version: 2
          UID: 0
    volumes:
      - /dev:/dev
  - {name: two, worker: 10.0.0.1, actions: [{name: x, image: "a/b:c", pid: host}]}
"""
)
_WORD = re.compile(r"[A-Za-z0-9_]+")  # not what YAML is made of: dashes, colons, quotes


@st.composite
def opened(draw):
    """A right template in which expressions stand for parts of words, and their values."""
    words = [found.span() for found in _WORD.finditer(FULL)]
    chosen = draw(st.lists(st.sampled_from(words), min_size=1, max_size=6, unique=True))
    text, data = FULL, {}
    for number, (start, end) in enumerate(sorted(chosen, reverse=True)):
        first = draw(st.integers(start, end - 1))
        last = draw(st.integers(first + 1, end))
        if text[first - 1] == "{" or text[last] == "}":
            continue  # three braces are something else
        data[f"k{number}"] = text[first:last]
        text = f"{text[:first]}{{{{.k{number}}}}}{text[last:]}"
    return text, data


@given(opened())
@settings(max_examples=500, deadline=None)
def test_what_renders_to_a_right_workflow_is_never_refused_before(case):
    text, data = case
    assert template.parse(text).render(data) == FULL
    decoded = decode("templates/x.yaml", text)
    found = {each.code for each in decoded.problems if each.severity is Severity.ERROR}
    found -= {"template.name"}  # it must be static
    assert not found, [str(each) for each in decoded.problems]


DEVICES = '        volumes: ["/dev:/dev"]\n'
KUBERNETES = """\
apiVersion: tinkerbell.org/v1alpha1
kind: Template
metadata: {name: hello}
spec:
  data: |
"""


@pytest.mark.parametrize("wrap", [False, True])
def test_a_template_that_can_write_disks_is_asked_whether_it_installs(wrap):
    text = HELLO + DEVICES
    if wrap:
        text = KUBERNETES + "".join(f"    {line}\n" for line in text.splitlines())
    decoded = decode("templates/hello.yaml", text)
    (problem,) = decoded.problems
    assert (problem.code, problem.severity) == ("template.installs-os", Severity.WARNING)
    assert problem.line == (10 if wrap else 5)
    assert decoded.templates


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tasks:", "installs_os: false\ntasks:"),
        ("    actions:", "    installs_os: true\n    actions:"),
        ("image: hello-world", "image: quay.io/tinkerbell-actions/image2disk:v1.0.0"),
        ("image: hello-world", 'image: "{{.image}}"'),
        ("/dev:/dev", "/devices:/dev"),
    ],
)
def test_one_that_says_so_or_is_known_is_not(old, new):
    template_of((HELLO + DEVICES).replace(old, new))


@pytest.mark.parametrize("value", ["perhaps", '"true"', "1", "[]"])
def test_installs_os_is_true_or_false(value):
    text = HELLO.replace("tasks:", f"installs_os: {value}\ntasks:")
    assert problems_of(text) == ["4:14 template.type"]
