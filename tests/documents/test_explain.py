"""`tink explain` tells the schema's own words."""

from __future__ import annotations

import pytest

from provisioner.documents.explain import explain
from provisioner.errors import NotFound


def test_without_a_topic_the_documents_are_listed():
    assert "kubernetes.workflow     Workflow (Kubernetes era)\n" in explain()


def test_a_field_is_explained_with_type_words_and_example():
    assert explain("workflow.hardware") == (
        "workflow.hardware <object>\n"
        "\n"
        "The device map: what the template's {{.key}} expressions stand for."
        " A machine is named by its MAC or\n"
        "IP address.\n"
        "\n"
        "Example:\n"
        "  hardware:\n"
        '    device_1: "08:00:27:00:00:01"\n'
    )


def test_a_document_is_explained_with_its_fields():
    text = explain("workflow")
    assert "  template <string> required\n" in text
    assert "Example:\n  id: " in text


def test_a_list_is_looked_through():
    text = explain("template.tasks.actions.timeout")
    assert text.startswith("template.tasks.actions.timeout <integer or number>\n")
    assert "<list of strings>" in explain("template.tasks.actions")
    assert "required" in explain("template.tasks.actions.image").splitlines()[0]


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        ("worklow", "one of: hardware, template, workflow"),
        ("workflow.hardwre", "did you mean 'hardware'?"),
        ("workflow.zzz", "known here: id, template, hardware"),
        ("workflow.id.deeper", "known here: "),
    ],
)
def test_an_unknown_topic_says_what_is_known(topic, hint):
    with pytest.raises(NotFound) as caught:
        explain(topic)
    assert caught.value.hint.startswith(hint)
