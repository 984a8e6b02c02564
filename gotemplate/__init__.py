"""Go's text/template in Python, with the functions of sprig and of Tinkerbell.

    template = gotemplate.parse("hello {{.name | upper}}", name="hello.txt")
    template.render({"name": "world"})

Pure: no clock, files, network, environment or threads.  See README.md beside this file.
"""

from __future__ import annotations

from gotemplate.errors import InvalidTemplate, LimitExceeded, Problem, TemplateError
from gotemplate.limits import Limits
from gotemplate.template import Rendered, Template, parse

__all__ = [
    "InvalidTemplate",
    "LimitExceeded",
    "Limits",
    "Problem",
    "Rendered",
    "Template",
    "TemplateError",
    "parse",
]
