"""Which functions does a template have when nobody says otherwise?"""

from __future__ import annotations

from types import MappingProxyType

from provisioner.render.functions.core import CORE
from provisioner.render.functions.signature import FunctionTable

DEFAULT_FUNCTIONS: FunctionTable = MappingProxyType({**CORE})
