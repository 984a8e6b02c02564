"""A hostile template ends in a clear error; work is counted, so it is the same error anywhere."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gotemplate.errors import InvalidTemplate
from gotemplate.limits import Limits
from gotemplate.template import parse

CYCLE = '{{$d := dict}}{{$_ := set $d "a" $d}}'
DOUBLING = "{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}"
TOO_MUCH = {
    "a range without end": "{{range 1000000000}}{{end}}",
    "ranges in ranges": "{{range 100000}}{{range 100000}}{{end}}{{end}}",
    "conditions that are cheap": "{{range 100000}}{{if and 1 1 1 1 1 1 1 1}}{{end}}{{end}}",
    "a template that calls itself": '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
    "templates that branch": '{{define "f"}}{{if gt . 1}}{{template "f" (sub . 1)}}'
    '{{template "f" (sub . 1)}}{{end}}{{end}}{{template "f" 18}}',
    "many variables": "".join(f"{{{{$x{i} := 1}}}}" for i in range(3000))
    + "{{range 100000}}{{$x0}}{{end}}",
    "output": '{{range 100000}}{{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}{{end}}',
    "repeat": '{{repeat 2000000000 "a"}}',
    "repeat of a repeat": '{{$x := repeat 200000 "a"}}{{range 9}}{{$y := repeat 2 $x}}{{end}}',
    "doubled by printf": '{{$x := "ab"}}{{range 100}}{{$x = printf "%s%s" $x $x}}{{end}}',
    "doubled by cat": '{{$x := "ab"}}{{range 100}}{{$x = cat $x $x}}{{end}}',
    "texts that are kept": "{{$l := list}}{{range 9999}}"
    '{{$l = append $l (repeat 60000 "é")}}{{end}}',
    "lists that are kept": "{{$l := list}}{{range 1000}}{{$l = append $l (until 5000)}}{{end}}",
    "until": "{{until 100000000}}",
    "untilStep": "{{untilStep 0 100000000 1}}",
    "seq": "{{seq 100000000}}",
    "a width": '{{printf "%999999d" 1}}',
    "a precision": '{{printf "%.999999f" 1.5}}',
    "a width by star": '{{printf "%*d" 1000000 1}}',
    "one argument many times": '{{printf "' + "%[1]v" * 20000 + '" (repeat 200000 "a")}}',
    "indent": '{{indent 2000000000 "a"}}',
    "indent of many lines": '{{indent 1000 (repeat 10000 "\\n")}}',
    "nindent": '{{nindent 2000000000 "a"}}',
    "replace": '{{replace "a" (repeat 100000 "b") (repeat 100000 "a")}}',
    "join": '{{join (repeat 100000 "a") (until 10000)}}',
    "splitList": '{{range 100}}{{$x := splitList "" (repeat 200000 "a")}}{{end}}',
    "wrapWith": '{{wrapWith 1 (repeat 1000 "x") (repeat 100000 "a")}}',
    "sha256sum": '{{$x := repeat 262144 "a"}}{{range 1000000}}{{$y := sha256sum $x}}{{end}}',
    "b64dec": '{{$x := repeat 200000 "a"}}{{range 1000000}}{{$y := b64dec $x}}{{end}}',
    "snakecase": '{{$x := repeat 60000 "aB1"}}{{range 100000}}{{$y := snakecase $x}}{{end}}',
    "title": '{{$x := repeat 40000 "é"}}{{range 1000000}}{{$y := title $x}}{{end}}',
    "has": '{{$l := until 20000}}{{range 10000}}{{$x := has "a" $l}}{{end}}',
    "uniq": "{{uniq (until 50000)}}",
    "sortAlpha": "{{$l := until 20000}}{{range 1000}}{{$x := sortAlpha $l}}{{end}}",
    "divf": "{{range 100000}}{{$x := divf 1e308 1e-308}}{{end}}",
    "doubled lists, printed": DOUBLING + "{{$l}}",
    "doubled lists, printed by printf": DOUBLING + '{{printf "%v" $l}}',
    "doubled lists as JSON": DOUBLING + "{{toJson $l}}",
    "doubled lists as YAML": DOUBLING + "{{toYaml $l}}",
    "doubled lists, copied": DOUBLING + "{{$x := deepCopy $l}}",
    "doubled lists, compared": DOUBLING + "{{deepEqual $l $l}}",
    "lists in lists": "{{$l := list}}{{range 1000}}{{$l = list $l}}{{end}}{{$l}}",
    "a map in itself, printed": CYCLE + "{{$d}}",
    "a map in itself as JSON": CYCLE + "{{toJson $d}}",
    "a map in itself as YAML": CYCLE + "{{toYaml $d}}",
    "a map in itself, compared": CYCLE + "{{deepEqual $d $d}}",
    "a map in itself, merged": CYCLE + "{{merge $d $d}}",
    "a map in itself, quoted": CYCLE + "{{quote $d}}",
    "a map in itself, joined": CYCLE + '{{join "," (list $d)}}',
    "a map in itself as a key": CYCLE + "{{dict $d 1}}",
    "JSON again and again": "{{range 1000}}"
    '{{$x := fromJson (printf "[%s1]" (repeat 80000 "1,"))}}{{end}}',
    "a pattern with nested stars": '{{regexMatch "^(a|a)*b" (repeat 200000 "a")}}',
    "a pattern with many stars": '{{regexMatch "(.*)(.*)(.*)(.*)(.*)x" (repeat 200000 "a")}}',
    "patterns again and again": "{{range $i, $_ := until 10000}}"
    '{{$x := regexMatch (printf "(a{900})%d" $i) "a"}}{{end}}',
    "faulty patterns again and again": "{{range 1000}}"
    '{{$x := regexMatch "(a?){500}a{400}" "a"}}{{end}}',
    "matches everywhere": '{{regexFindAll "" (repeat 200000 "a") -1}}',
    "replacements everywhere": '{{regexReplaceAll "" (repeat 200000 "a") (repeat 1000 "b")}}',
    "a long template": "x" * 300_000,
    "many words": "{{print " + "1 " * 100_000 + "}}",
    "many parentheses": "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
    "many blocks": "{{if 1}}" * 5000 + "{{end}}" * 5000,
    "many else ifs": "{{if 0}}" + "{{else if 0}}" * 3000 + "{{end}}",
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_too_much_work_is_refused(text):
    with pytest.raises(InvalidTemplate) as caught:
        parse(text).render({"a": 1})
    assert caught.value.problems[0].code == "template.limit"


@pytest.mark.parametrize(
    "text",
    [
        '{{fromJson (repeat 100000 "[")}}',
        '{{int (repeat 200000 "1")}} {{atoi (repeat 200000 "1")}} {{float64 (repeat 200000 "9")}}',
        '{{toDecimal (repeat 200000 "1")}}',
        '{{toYaml (repeat 100000 "1")}}',
        '{{regexMatch "^(a+)+$" "' + "a" * 5000 + 'b"}}',
        '{{regexMatch "' + "(" * 900 + '" "a"}}',
        '{{toYaml (dict (printf "a%s" (repeat 50000 "1")) 1 (printf "a%s" (repeat 50000 "2")) 2)}}',
        "{{/* */}}" * 20000,
    ],
)
def test_what_looks_hostile_and_is_small_is_rendered(text):
    assert isinstance(parse(text).render({}), str)


@pytest.mark.parametrize(
    "text",
    [
        '{{semver (repeat 200000 "1")}}',
        '{{semverCompare (repeat 10000 ">1 ") "1"}}',
        '{{mustFromJson (repeat 200000 "1")}}',
        '{{mustFromJson (repeat 100000 "[")}}',
        '{{regexFind "((a{100}){100}){100}" "a"}}',
        '{{mustRegexMatch (repeat 2000 "a") "a"}}',
        '{{printf "%p" .}}',
    ],
)
def test_a_function_says_what_it_can_not_do(text):
    with pytest.raises(InvalidTemplate) as caught:
        parse(text).render({"a": 1})
    assert caught.value.problems[0].code == "template.execution"


def test_a_limit_is_told_at_its_place_with_what_to_look_for():
    with pytest.raises(InvalidTemplate) as caught:
        parse("a\n{{range 1000000000 -}}\n{{$x := .}}{{- end}}", name="t.yaml").render({})
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (3, 3)
    assert problem.message == "the template does more work than 250000 steps"
    assert problem.hint == "look for a range or a template call that never comes to an end"


def test_limits_can_be_tightened():
    with pytest.raises(InvalidTemplate, match="larger than 4 bytes"):
        parse("héllo").render({}, limits=Limits(output_bytes=4))


def test_data_that_are_too_deep_or_too_large_are_refused():
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    for data in ({"a": deep}, {"a": [0] * 200_000}):
        with pytest.raises(InvalidTemplate, match="too deep or too large"):
            parse("x").render(data)


def test_data_hold_nothing_but_json():
    with pytest.raises(TypeError, match="JSON-shaped"):
        parse("x").render({"a": object()})
    with pytest.raises(TypeError, match="texts as keys"):
        parse("x").render({"a": {1: 2}})


@pytest.mark.parametrize(
    "path",
    [
        "name.upper",
        "name.__class__",
        "list.append",
        "map.keys",
        "map.__init__",
        "n.real",
        "map.pop",
    ],
)
def test_no_template_reaches_python(path):
    data = {"name": "x", "list": [1], "map": {"a": 1}, "n": 3}
    for text in (f"{{{{.{path}}}}}", f'{{{{.{path} "x"}}}}', f"{{{{.{path} | print}}}}"):
        with pytest.raises(InvalidTemplate):
            parse(text).render(data)


PROBE = """
import json, resource, sys, time
from gotemplate.errors import InvalidTemplate
from gotemplate.template import parse
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
refused = 0
for text in json.load(sys.stdin):
    try:
        parse(text).render({"a": 1})
    except InvalidTemplate:
        refused += 1
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([refused, used]))
"""


def test_all_hostile_templates_together_stay_within_64_mib():
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        input=json.dumps(list(TOO_MUCH.values())),
        capture_output=True,
        text=True,
        check=True,
    )
    refused, kilobytes = json.loads(done.stdout)
    assert refused == len(TOO_MUCH)
    assert kilobytes < 64 * 1024
