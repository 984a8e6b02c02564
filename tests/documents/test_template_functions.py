"""`fromYaml` reads what our reader reads, in its limits."""

from __future__ import annotations

import pytest

from gotemplate import template
from gotemplate.errors import InvalidTemplate
from provisioner.documents.template_functions import TEMPLATE_FUNCTIONS


def rendered(text, **data):
    return template.parse(text, functions=TEMPLATE_FUNCTIONS).render(data)


def test_a_field_of_a_yaml_text_is_reached():
    text = "{{ (fromYaml .config).host }} {{ index (fromYaml .config).macs 0 }}"
    config = "host: n1\nmacs: [52:54:00:12:34:56]\n"
    assert rendered(text, config=config) == "n1 52:54:00:12:34:56"


@pytest.mark.parametrize("config", ["a: 1\na: 2\n", "[" * 100, "a: !!python/x y"])
def test_what_is_no_yaml_of_ours_is_a_problem_of_the_template(config):
    with pytest.raises(InvalidTemplate) as caught:
        rendered("\n{{ (fromYaml .config).a }}", config=config)
    assert caught.value.problems[0].line == 2
