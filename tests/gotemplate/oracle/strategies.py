"""Templates at random, mostly well-formed, for the differential fuzz.

What we do otherwise on purpose is left out: comparing whole numbers with fractions, printing whole
numbers by %f, hexadecimal fractions.  tests/gotemplate/test_kinder_than_go.py has those.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.gotemplate.oracle.data import DATA

_WORDS = ("a", "hello", "é✓", "a b", "/dev/sda", "1", "x-y_z", "", "a,b,c", "10.0.0.1", "  pad ")
_INTS = ("0", "1", "2", "3", "-1", "7", "42", "1000000")
_FLOATS = ("0.5", "2.5", "-1.25", "1e21", "3.0", "1234567.5")
_FIELDS = {
    "string": (
        ".name",
        "$.name",
        "$.empty",
        "$.uni",
        "$.text",
        "$.html",
        "$.b64",
        "$.map.c.d",
        "$.name",
    ),
    "int": ("$.n", "$.zero", "$.neg", "$.big", "$.map.a"),
    "list": (".list", "$.list", "$.nums", "$.mixed", "$.none", "$.disks", "$.Hardware.Disks"),
    "map": ("$.map", "$.emptymap", "$.Hardware", "$.map"),
    "any": (
        "$.null",
        "$.half",
        "$.yes",
        "$.no",
        "$.pi",
        "$.map.a",
        "$x",
        ".",
        "$.list",
        '(index . "z")',
    ),
    "bool": ("$.yes", "$.no", "true", "false"),
}
_PATTERNS = (
    "a+",
    "[a-z]+",
    "(a|b)*",
    "^h",
    "l+?",
    "\\\\w\\\\b",
    "(x*)",
    "é",
    ".",
    "[^a]",
    "(",
    "a{2}",
)
_FORMATS = ("%v", "%s", "%q", "%d", "%5s|", "%-5v|", "%05d", "%x", "%t", "%T", "%+v", "%#v", "%.2s")
_FORMATS += ("%3d", "%c", "%U", "%%", "%!", "%[1]v", "%*d", "%08.3v", "% x", "%+q", "%o", "%b")

# Name, and what it takes; a capital letter at the end says what it gives.
_CALLS = """
upper string S|lower string S|title string S|trim string S|quote any S|squote any S|len any I
trunc int string S|substr int int string S|repeat small string S|replace string string string S
contains string string B|hasPrefix string string B|hasSuffix string string B|indent small string S
nindent small string S|trimAll string string S|trimPrefix string string S|trimSuffix string string S
splitList string string L|split string string M|splitn string small string M|join string any S
cat any any S|toString any S|toStrings any L|abbrev int string S|wrap int ascii S|untitle string S
wrapWith small string ascii S|swapcase string S|snakecase string S|kebabcase string S
camelcase string S|initials ascii S|nospace ascii S|plural string string int S|sortAlpha list L
first list A|last list A|rest list L|initial list L|append list any L|prepend list any L
concat list list L|reverse list L|uniq list L|without list any L|has any list B|compact list L
slice list small L|slice list small small L|chunk small list L|until small L|list any any L
untilStep small small int L|seq small small S|dict string any M|get map string A|pick map string M
omit map string M|hasKey map string B|pluck string map L|dig string any map A|values one L
merge map map M|mergeOverwrite map map M|deepCopy any A|default any any A|empty any B
coalesce any any A|ternary any any bool A|all any any B|any any any B|kindOf any S|typeOf any S
deepEqual any any B|add int int I|add any any I|sub int int I|mul int int I|div int int I
mod int int I|max int int I|min int int I|add1 any I|int any I|int64 any I|float64 any F
floor any F|ceil any F|round any small F|addf float float F|subf any float F|mulf float int F
divf float float F|atoi string I|toDecimal any I|b64enc string S|b64dec string S|b32enc string S
b32dec string S|sha256sum string S|sha1sum string S|adler32sum string S|toJson any S
toRawJson any S|toPrettyJson any S|fromJson string A|toYaml any S|regexMatch pattern string B
regexFind pattern string S|regexFindAll pattern string int L|regexReplaceAll pattern string string S
regexReplaceAllLiteral pattern string string S|regexSplit pattern string int L
regexQuoteMeta string S|formatPartition string int S|base string S|dir string S|clean string S
ext string S|isAbs string B|index list small A|index map string A|index string small I|not any B
and any any A|or any any A|eq string string B|eq int int B|eq any any B|ne string string B
lt int int B|le string string B|gt int int B|ge any any B|print any any S|println any S
printf format any S|printf format any any S|html any S|js any S|urlquery any S|urlParse string M
semverCompare string string B|printf any S|upper any S|first any A|keys one L|index any any A
"""
_GIVES = {"S": "string", "I": "int", "L": "list", "M": "map", "A": "any", "B": "bool", "F": "float"}
_FUNCTIONS = [
    (words[0], words[1:-1], _GIVES[words[-1]])
    for line in _CALLS.strip().splitlines()
    for words in [call.split() for call in line.split("|")]
]


def _literal(kind: str) -> st.SearchStrategy[str]:
    match kind:
        case "string":
            text = st.one_of(st.sampled_from(_WORDS), st.text('ab/-.é \n\\"', max_size=6))
            return st.one_of(text.map(_quoted), st.sampled_from(_FIELDS["string"]))
        case "ascii":
            return st.text("ab c", max_size=12).map(_quoted)
        case "small":
            return st.integers(-2, 6).map(str)
        case "float":
            return st.sampled_from(_FLOATS)
        case "pattern":
            return st.sampled_from(_PATTERNS).map(lambda text: f'"{text}"')
        case "format":
            form = st.lists(st.sampled_from(_FORMATS), min_size=1, max_size=2).map(" ".join)
            return form.map(lambda text: f'"{text}"')
        case "one":
            return st.sampled_from(('(dict "a" 1)', "(dict)"))
        case "int":
            return st.sampled_from(_INTS + _FIELDS["int"])
    return st.sampled_from(_FIELDS[kind])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@st.composite
def _operand(draw: st.DrawFn, kind: str, depth: int) -> str:
    if kind == "any":
        kind = draw(st.sampled_from(("any", "string", "int", "list", "map", "float", "bool")))
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(_literal(kind))
    fitting = [one for one in _FUNCTIONS if one[2] == kind]
    if not fitting:
        return draw(_literal(kind))
    return f"({draw(_call(draw(st.sampled_from(fitting)), depth - 1))})"


@st.composite
def _call(draw: st.DrawFn, one: tuple[str, list[str], str], depth: int) -> str:
    name, kinds, _ = one
    if draw(st.integers(0, 100)) == 0:
        kinds = kinds[:-1]
    words = [draw(_operand(kind, depth)) for kind in kinds]
    if words and draw(st.integers(0, 3)) == 0:
        last = (
            words.pop().removeprefix("(").removesuffix(")") if words[-1][0] == "(" else words.pop()
        )
        if last.count("(") == last.count(")"):
            return f"{last} | {' '.join([name, *words])}"
        return f"({last}) | {' '.join([name, *words])}"
    return " ".join([name, *words])


@st.composite
def _pipeline(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)) == 0:
        return draw(_operand("any", 1))
    return draw(_call(draw(st.sampled_from(_FUNCTIONS)), 2))


@st.composite
def _action(draw: st.DrawFn, depth: int, loops: bool) -> str:
    left = draw(st.sampled_from(("{{", "{{", "{{- ")))
    right = draw(st.sampled_from(("}}", "}}", " -}}")))
    pipeline = draw(_pipeline())
    kinds = ["action", "action", "action", "text", "variable", "comment"]
    if depth > 0:
        kinds += ["if", "if", "with", "range", "range"]
    if loops:
        kinds.append("leave")

    def action(words: str) -> str:
        return f"{left}{words}{right}"

    match draw(st.sampled_from(kinds)):
        case "text":
            return draw(st.sampled_from(("a\n", "  b: ", "\n- ", "} ", "{ x", "{{", " \n \n")))
        case "variable":
            sign = draw(st.sampled_from((":=", "=", ":=")))
            return action(f"$x {sign} {pipeline}")
        case "comment":
            return action("/* c */")
        case "leave":
            return action(draw(st.sampled_from(("break", "continue"))))
        case "if":
            body, other = draw(_body(depth - 1, loops)), draw(_body(depth - 1, loops))
            middle = draw(st.sampled_from(("{{else}}", "\n{{- else if .yes }}", "{{else if .n}}")))
            return f"{action('if ' + pipeline)}{body}{middle}{other}{action('end')}"
        case "with":
            body, other = draw(_body(depth - 1, loops)), draw(_body(depth - 1, loops))
            start = draw(st.sampled_from(("with ", "with $x := ", "with $y := ")))
            return f"{action(start + pipeline)}{body}{{{{else}}}}{other}{action('end')}"
        case "range":
            start = draw(st.sampled_from(("range ", "range $x := ", "range $i, $x := ")))
            body = draw(_body(depth - 1, True))
            subject = draw(st.sampled_from((pipeline, draw(_operand("list", 1)), ".map", "3")))
            return f"{action(start + subject)}{body}{{{{else}}}}none{action('end')}"
    return action(pipeline)


def _body(depth: int, loops: bool) -> st.SearchStrategy[str]:
    return st.lists(_action(depth, loops), max_size=3).map("".join)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """A template that mostly parses and often renders."""
    text = "{{$x := .name}}" + "".join(draw(st.lists(_action(2, False), min_size=1, max_size=3)))
    if draw(st.integers(0, 15)) == 0:  # spoil it
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(
            st.sampled_from(("{{", "}}", "(", ")", '"', "|", " ", "$", ".", "\n"))
        )
    return text


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(-1e6, 1e6).filter(lambda number: number != 0 and not number.is_integer())
    | st.text("abé :#-'\"\n1yno~", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab1-é.", max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, object]:
    case: dict[str, object] = {"template": draw(templates())}
    rule = draw(st.sampled_from(("", "", "default", "zero")))
    if rule:
        case["missing_key"] = rule
    if draw(st.integers(0, 3)) == 0:
        values = draw(st.dictionaries(st.sampled_from(("name", "list", "map", "null", "n")), _JSON))
        case["data"] = {**DATA, **values}
    return case
