"""Whatever the template and the data: text, or a problem with a place.  Never anything else.

tests/gotemplate/oracle/fuzz.py asks real Go about the same kind of templates, as many as one likes.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gotemplate.errors import InvalidTemplate
from gotemplate.template import parse
from tests.gotemplate.oracle.data import DATA
from tests.gotemplate.oracle.strategies import cases

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
BRACES = st.text("{}-/*()|$.:= \n\"'`\\abifend019é", max_size=40)


def outcome(text, data, rule="error"):
    try:
        rendered = parse(text, name="t.yaml").render_traced(data, missing_key=rule)
    except InvalidTemplate as refusal:
        return refusal.problems
    lines = rendered.text.split("\n")
    assert len(rendered.source_lines) == len(lines) - (lines[-1] == "")
    return ()


@QUICK
@given(cases())
def test_a_random_template_ends_in_text_or_in_a_problem_with_a_place(case):
    text, data = case["template"], case.get("data", DATA)
    for problem in outcome(text, data, case.get("missing_key", "error")):
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1


@settings(QUICK, max_examples=1000)
@given(st.lists(BRACES, max_size=4).map("{{".join))
def test_random_characters_end_in_text_or_in_a_problem(text):
    outcome(text, {"a": 1})


@settings(QUICK, max_examples=300)
@given(st.text("ab\n", max_size=30), st.text("xy\n", max_size=20))
def test_every_line_of_the_output_has_a_line_of_the_template(text, value):
    template = parse(text + "{{.v}}" + text)
    rendered = template.render_traced({"v": value})
    lines = rendered.text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    assert len(rendered.source_lines) == len(lines)
    assert list(rendered.source_lines) == sorted(rendered.source_lines)
