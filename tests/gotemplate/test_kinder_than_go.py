"""Where we differ from Go on purpose, one test for each decision.

The first group lets templates work that Go refuses; the second refuses what Go writes in silence.
"""

from __future__ import annotations

import pytest

from gotemplate.errors import InvalidTemplate
from gotemplate.functions.default import CLASSIC_FUNCTIONS, DEFAULT_FUNCTIONS
from gotemplate.functions.refused import REFUSED_FUNCTIONS
from gotemplate.functions.yaml_text import with_yaml_reader
from gotemplate.template import parse
from provisioner.documents.template_functions import TEMPLATE_FUNCTIONS
from tests.gotemplate.oracle import differences


def render(text, data=None, functions=DEFAULT_FUNCTIONS):
    return parse(text, functions=functions).render(data or {})


@pytest.mark.parametrize(
    ("text", "output"),
    [
        # A JSON number is an int when it is whole; templates for float64 data work with it.
        ('{{printf "%.0f %6.2f %g %e" .n .n .n .n}}', "3   3.00 3 3.000000e+00"),
        (
            "{{eq .n 3.0}} {{eq 3.0 .n}} {{lt .n 3.5}} {{ge .n 3.0}} {{ne .n 2.5}}",
            "true " * 4 + "true",
        ),
        (
            "{{has 3.0 .l}} {{deepEqual .n 3.0}} {{without .l 3.0}} {{round 3.7 0 1}}",
            "true true [1] 3",
        ),
        # int64, which sprig's arithmetic gives, is good where an int is wanted.
        (
            '{{repeat (add 1 1) "ab"}} {{until (int64 2)}} {{indent (mul 1 2) "x"}}',
            "abab [0 1]   x",
        ),
        ('{{formatPartition "/dev/sda" (add1 0)}}', "/dev/sda1"),
        # sprig takes bytes for characters here, and writes what is no text.
        ('{{initials "é ß Σ"}} {{nospace "é ß Σ"}}', "éßΣ éßΣ"),
        # What is made of no map is an empty one, not null.
        ('{{merge nil nil | toJson}} {{unset nil "a" | toJson}}', "{} {}"),
        # A null among the data is an empty map where a map is asked for.
        ('{{omit .null "a"}} {{keys .null}}', "map[] []"),
        # Go's own slice works on texts; sprig's, which hides it, does not.
        ('{{slice "hello" 1 3}} {{slice "hello" 2}}', "el llo"),
        # Maps have an order.
        ("{{keys .m}} {{values .m}}", "[a b c] [2 1 3]"),
        # Characters are letters, not bytes.
        ('{{initials "Élan Vital"}} {{nospace "é à"}}', "ÉV éà"),
        ('{{sha512sum "" | trunc 8}}', "cf83e135"),
    ],
)
def test_what_go_refuses_and_we_do(text, output):
    data = {"n": 3, "l": [1, 3], "m": {"b": 1, "a": 2, "c": 3}, "null": None}
    assert render(text, data) == output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{{netmaskToPrefixLength "255.0.255.0"}}', "is no netmask"),  # Tinkerbell: 0
        ('{{b64dec "/w=="}}', "not UTF-8 text"),
        ("{{chunk -1 (list 1)}}", "can't be cut"),
        ('{{printf "%x" 1.5}}', "not supported"),
        ("{{1+2i}}", "not a number"),
    ],
)
def test_what_go_lets_through_and_we_refuse(text, words):
    with pytest.raises(InvalidTemplate, match=words):
        render(text)


@pytest.mark.parametrize("listed", differences.listed(), ids=lambda each: each.template)
def test_the_page_says_what_comes_out(listed):
    """docs/compat.md lists all of them; generate.py holds the other column to real Go."""
    if listed.ours == differences.REFUSED:
        with pytest.raises(InvalidTemplate):
            render(listed.template, differences.DATA, TEMPLATE_FUNCTIONS)
    else:
        assert f"`{render(listed.template, differences.DATA, TEMPLATE_FUNCTIONS)}`" == listed.ours


def test_the_page_lists_every_decision_of_the_fuzz():
    whats = " ".join(each.what for each in differences.listed())
    for word in ("fraction", "chunk", "slice", "characters", "int64", "whole numbers on fractions"):
        assert word in whats
    assert len(differences.listed()) > 20


def test_classic_functions_take_the_text_first_and_know_fewer_disks():
    text = (
        '{{contains "abc" "b"}} {{hasPrefix "abc" "a"}} {{hasSuffix "abc" "c"}}'
        " {{range .}}{{formatPartition . 1}} {{end}}"
    )
    disks = ["/dev/sda", "/dev/vdb", "/dev/nvme0n1", "/dev/mmcblk0", "/dev/disk/by-id/x"]
    template = parse(text.replace("range .", "range .disks"), functions=CLASSIC_FUNCTIONS)
    assert template.render({"disks": disks}) == (
        "true true true /dev/sda1 /dev/vdb1 /dev/nvme0n1p1 /dev/mmcblk0 /dev/disk/by-id/x "
    )


def test_todays_functions_can_be_asked_for_at_rendering():
    template = parse('{{formatPartition "/dev/mmcblk0" 1}}', functions=CLASSIC_FUNCTIONS)
    assert template.render({}) == "/dev/mmcblk0"
    assert template.render({}, functions=DEFAULT_FUNCTIONS) == "/dev/mmcblk0p1"


def test_reading_yaml_needs_a_reader():
    with pytest.raises(InvalidTemplate, match="no YAML reader was given"):
        render('{{fromYaml "a: 1"}}')
    functions = with_yaml_reader(DEFAULT_FUNCTIONS, lambda text: {"text": text, "n": 1e6})
    assert (
        render('{{(fromYaml "a").text}} {{(fromYaml "a").n}}', functions=functions) == "a 1000000"
    )
    with pytest.raises(InvalidTemplate, match="there is no text"):
        render('{{fromYaml ""}}', functions=functions)


def test_a_message_of_fail_is_told_as_it_is():
    with pytest.raises(InvalidTemplate) as caught:
        render('\n  {{fail "no disk for this machine"}}')
    assert caught.value.problems[0].message == "no disk for this machine"
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 5)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{upper .n}}", "turn it into a text with toString"),
        ('{{repeat "3" "a"}}', "turn it into a whole number with int"),
        ("{{upper .none}}", "give it a value, or use default"),
        ('{{eq .n "3"}}', "quote the number, or turn the text into a number: int .x"),
        ("{{.n + 1}}", None),
    ],
)
def test_a_wrong_type_comes_with_the_next_step(text, hint):
    with pytest.raises(InvalidTemplate) as caught:
        render(text, {"n": 3, "none": None})
    if hint is not None:
        assert caught.value.problems[0].hint == hint


@pytest.mark.parametrize("name", ["ago", "now", "randInt", "shuffle", "htpasswd"])
def test_a_function_that_gives_another_result_each_time_is_refused(name):
    with pytest.raises(InvalidTemplate, match=f'the function "{name}" is not available'):
        render(f"{{{{{name} 1}}}}")


def test_every_function_of_sprigs_hermetic_set_is_here_or_refused_by_name():
    """The names are those of sprig 3.3 which a template of Tinkerbell can call."""
    missing = {
        "ago", "bcrypt", "buildCustomCert", "decryptAES", "derivePassword", "encryptAES", "genCA",
        "genCAWithKey", "genPrivateKey", "genSelfSignedCert", "genSelfSignedCertWithKey",
        "genSignedCert", "genSignedCertWithKey", "htpasswd", "randInt", "shuffle",
    }  # fmt: skip
    assert missing <= REFUSED_FUNCTIONS.keys()
    assert not REFUSED_FUNCTIONS.keys() & DEFAULT_FUNCTIONS.keys()


def test_no_definition_takes_the_name_of_the_whole_template():
    text = '{{define "workflow-template"}}x{{end}}a'
    with pytest.raises(InvalidTemplate, match="is the name of the whole template") as caught:
        parse(text, root="workflow-template")
    [problem] = caught.value.problems
    assert (problem.line, problem.column) == (1, 10)
    assert parse(text).render({}) == "a"


@pytest.mark.parametrize("name", ["toDate", "mustToDate"])
def test_a_time_without_a_year_is_refused(name):
    """Go takes the year 0."""
    with pytest.raises(InvalidTemplate, match="names no year"):
        render(f'{{{{{name} "15:04" "13:45"}}}}')


def test_a_duration_up_to_now_is_refused():
    with pytest.raises(InvalidTemplate, match="it reads the clock"):
        render('{{durationRound (toDate "2006" "2024")}}')


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('(semver "1.2.3").Compare "1.2.3"', "Compare: it takes a version"),
        ('(semver "1.2.3").Compare', "no function|Compare"),
        ('(semver "1.2.3").Format "x"', "is no function"),
        ('(toDate "2006" "2024").Before 1', "Before: a number is no time|is no time"),
        ('(toDate "2006" "2024").Format 1', "Format takes a layout"),
        ('(toDate "2006" "2024").Format "2006" "01"', "Format takes one argument"),
        ('.n.Format "x"', "is no function"),
    ],
)
def test_a_method_says_what_it_takes(call, words):
    with pytest.raises(InvalidTemplate, match=words):
        render(f"{{{{ {call} }}}}", {"n": 1})
