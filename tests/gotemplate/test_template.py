"""What a user of the engine relies on: output, places of mistakes, hints."""

from __future__ import annotations

import threading

import pytest

from gotemplate.errors import InvalidTemplate, Problem
from gotemplate.template import parse


def render(text, data=None, **options):
    return parse(text, name="templates/x.yaml").render(data or {}, **options)


def the_problem(text, data=None, **options) -> Problem:
    with pytest.raises(InvalidTemplate) as caught:
        render(text, data, **options)
    (problem,) = caught.value.problems
    return problem


def test_a_classic_template_gets_its_device():
    assert render('worker: "{{.device_1}}"', {"device_1": "08:00:27:00:00:01"}) == (
        'worker: "08:00:27:00:00:01"'
    )


def test_a_missing_key_is_told_with_place_and_the_keys_that_are_there():
    text = "a: 1\nworker: {{.device_2}}\n"
    problem = the_problem(text, {"image": "x", "device_1": "m", "Hardware": {}})
    assert str(problem) == (
        'templates/x.yaml:2:11: no value for "device_2"; the workflow request gives'
        " device_1, image [template.missing-key]\n  Hint: did you mean .device_1?"
    )


def test_all_keys_that_are_certainly_missing_are_told_at_once():
    text = "{{.a}}\n{{upper .b | quote}}{{if .c}}{{.maybe}}{{end}}\n{{or 1 .never}} {{$.d.e}}"
    with pytest.raises(InvalidTemplate) as caught:
        render(text, {"x": 1})
    assert [(p.line, p.column, p.message.split(";")[0]) for p in caught.value.problems] == [
        (1, 3, 'no value for "a"'),
        (2, 9, 'no value for "b"'),
        (2, 26, 'no value for "c"'),
        (3, 20, 'no value for "d"'),
    ]


def test_a_key_with_a_dash_is_suggested_through_index():
    problem = the_problem("{{.device_1}}", {"device-1": "m"})
    assert problem.hint == 'did you mean {{index . "device-1"}}?'


def test_a_missing_key_deep_down_names_the_map_and_the_column_of_the_name():
    problem = the_problem("{{ .device.mac.x }}", {"device": {"ip": "10.0.0.1"}})
    assert (problem.line, problem.column) == (1, 11)
    assert problem.message == 'no value for "mac"; .device has ip'


def test_a_key_of_the_request_inside_of_range_is_reached_by_the_dollar_sign():
    problem = the_problem("{{range .disks}}{{.image}}{{end}}", {"image": "x", "disks": [{"s": 1}]})
    assert problem.hint == "in range and with, the dot is the element; write $.image"


@pytest.mark.parametrize("rule", ["default", "invalid", "zero"])
def test_a_missing_key_may_be_let_through(rule):
    assert render("{{.a}}", missing_key=rule) == "<no value>"


def test_all_unknown_functions_are_told_at_once_with_what_was_meant():
    with pytest.raises(InvalidTemplate) as caught:
        parse("{{ printff .a }}\n{{ env 1 }}{{ device_1 }}", name="t.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        't.yaml:1:4: there is no function "printff" [template.function]\n'
        "  Hint: did you mean printf?",
        't.yaml:2:4: the function "env" is not available [template.function]\n'
        "  Hint: it reads the server's own surroundings; put the value into the workflow request",
        't.yaml:2:15: there is no function "device_1" [template.function]\n'
        "  Hint: a value is written with a dot: {{.device_1}}",
    ]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a\n{{if .x}}b", (2, 3), "this {{if}} has no {{end}}"),
        ("a\n  {{ .x", (2, 3), "this action is not closed"),
        ("{{end}}", (1, 3), "this {{end}} closes nothing"),
        ("{{.a-b}}", (1, 5), "the character '-' can't stand in a name"),
        ("{{(.a}}", (1, 3), "this parenthesis is not closed"),
        ('{{"a}}', (1, 3), "this text has no closing quote"),
        ("{{/* a }}", (1, 3), "this comment has no end"),
        ("{{if .a}}{{else}}{{else}}{{end}}", (1, 20), "this {{if}} has a second {{else}}"),
        ("{{break}}", (1, 3), "{{break}} can only stand in a {{range}}"),
        ("{{$x}}", (1, 3), "the variable $x is not defined here"),
        ("{{.a = 1}}", (1, 6), "'=' can't stand here in an operand"),
    ],
)
def test_a_mistake_in_the_text_is_told_at_its_place(text, place, message):
    problem = the_problem(text)
    assert problem.code == "template.syntax"
    assert (problem.line, problem.column) == place
    assert problem.message == message


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (1000000, "1000000"),
        (1e6, "1000000"),
        (2.0, "2"),
        (2.5, "2.5"),
        (12345678901, "12345678901"),
    ],
)
def test_numbers_print_as_a_person_expects(number, printed):
    assert render("{{.n}} {{print .n}} {{range .l}}{{.}}{{end}}", {"n": number, "l": [number]}) == (
        f"{printed} {printed} {printed}"
    )


def test_templates_written_for_float_data_work_with_whole_numbers():
    text = '{{printf "%.0f" .n}} {{eq .n 3.0}} {{lt 2.5 .n}} {{eq .n 3}}'
    assert render(text, {"n": 3}) == "3 true true true"


def test_each_line_of_the_output_knows_its_line_in_the_template():
    text = "a: 1\n{{- range .l}}\n- {{.}}\n{{- end}}\n{{/* c\n */}}b: {{.m}}\nc"
    rendered = parse(text).render_traced({"l": ["p", "q"], "m": "x\ny\n"})
    assert rendered.text == "a: 1\n- p\n- q\nb: x\ny\n\nc"
    assert rendered.source_lines == (1, 3, 3, 6, 6, 6, 7)


def test_the_callers_data_are_never_changed():
    data = {"m": {"a": 1}, "n": 3}
    assert render('{{$_ := set .m "a" 2}}{{$_ = unset . "n"}}{{.m.a}}', data) == "2"
    assert data == {"m": {"a": 1}, "n": 3}


def test_one_template_serves_many_threads():
    template = parse("{{range .l}}{{$x := .}}{{if $x}}{{$x}}{{end}}{{end}}")
    results = []

    def work(size):
        results.append(template.render({"l": [size] * 200}) == str(size) * 200)

    threads = [threading.Thread(target=work, args=(size,)) for size in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8
