"""Which functions does a template have when nobody says otherwise?"""

from __future__ import annotations

from types import MappingProxyType

from gotemplate.functions.casing import CASING
from gotemplate.functions.choices import CHOICES
from gotemplate.functions.core import CORE
from gotemplate.functions.dates import DATES
from gotemplate.functions.dicts import DICTS
from gotemplate.functions.durations import DURATIONS
from gotemplate.functions.encoding import ENCODING
from gotemplate.functions.json_text import JSON
from gotemplate.functions.lists import LISTS
from gotemplate.functions.numbers import NUMBERS
from gotemplate.functions.paths import PATHS
from gotemplate.functions.patterns import PATTERNS
from gotemplate.functions.signature import FunctionTable
from gotemplate.functions.strings import STRINGS
from gotemplate.functions.tinkerbell import CLASSIC, TINKERBELL
from gotemplate.functions.urls import URLS
from gotemplate.functions.versions import VERSIONS
from gotemplate.functions.yaml_text import YAML

DEFAULT_FUNCTIONS: FunctionTable = MappingProxyType(
    CORE
    | CASING
    | CHOICES
    | DATES
    | DICTS
    | DURATIONS
    | ENCODING
    | JSON
    | LISTS
    | NUMBERS
    | PATHS
    | PATTERNS
    | STRINGS
    | URLS
    | VERSIONS
    | YAML
    | TINKERBELL
)

# For templates of tink v0.7 to v0.10, on request.
CLASSIC_FUNCTIONS: FunctionTable = MappingProxyType({**DEFAULT_FUNCTIONS, **CLASSIC})
