"""Which texts name a container image; the refused ones are those that real tink refuses."""

from __future__ import annotations

import pytest

from provisioner.documents.image_reference import is_image_reference

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    "text",
    [
        "hello-world",
        "hello-world:latest",
        "quay.io/tinkerbell/actions/image2disk:v1.0.0",
        "quay.io/tinkerbell-actions/writefile",
        "localhost:5000/x",
        "localhost/x",
        "127.0.0.1/embedded/image2disk",
        "registry.Example.com/x/y:Tag_1.0",
        "[::1]:5000/x",
        "a_b/c__d/e--f:1",
        f"x@{DIGEST}",
        f"x:1@{DIGEST}",
    ],
)
def test_a_reference_is_accepted(text):
    assert is_image_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "quay.io/x/Y",
        "two words",
        "https://quay.io/x",
        "a//b",
        "a___b",
        "-a",
        "a-",
        "a:",
        "a:b:c",
        "a:" + "t" * 129,
        "X/y",
        "f0" * 32,
        "x@sha256:abc",
        "x@sha256:" + "a" * 65,
        "hello-world\n",
        "a" * 256,
        "{{.registry}}/x",
        "/x",
        "x/",
        "ümlaut",
    ],
)
def test_anything_else_is_refused(text):
    assert not is_image_reference(text)


def test_a_long_hostile_text_is_refused_at_once():
    assert not is_image_reference("a-" * 2_000 + "!")
    assert not is_image_reference("a." * 10_000_000)
