"""Which functions does a template have when nobody says otherwise?"""

from __future__ import annotations

from types import MappingProxyType

from provisioner.render.functions.casing import CASING
from provisioner.render.functions.choices import CHOICES
from provisioner.render.functions.core import CORE
from provisioner.render.functions.dicts import DICTS
from provisioner.render.functions.encoding import ENCODING
from provisioner.render.functions.json_text import JSON
from provisioner.render.functions.lists import LISTS
from provisioner.render.functions.numbers import NUMBERS
from provisioner.render.functions.paths import PATHS
from provisioner.render.functions.patterns import PATTERNS
from provisioner.render.functions.signature import FunctionTable
from provisioner.render.functions.strings import STRINGS
from provisioner.render.functions.tinkerbell import CLASSIC, TINKERBELL
from provisioner.render.functions.urls import URLS
from provisioner.render.functions.versions import VERSIONS
from provisioner.render.functions.yaml_text import YAML

DEFAULT_FUNCTIONS: FunctionTable = MappingProxyType(
    CORE
    | CASING
    | CHOICES
    | DICTS
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
