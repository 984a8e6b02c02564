"""What looks like a secret is not shown; what does not, is."""

from __future__ import annotations

import pytest

from provisioner.cli.masking import masked, masked_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 next", "password=*** next"),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD: ***"),
        ('{"token": "a b c"}', '{"token": ***}'),
        ("--api-key=abc --verbose", "--api-key=*** --verbose"),
        ("kubeadm join --token abc.def 10.0.0.1", "kubeadm join --token *** 10.0.0.1"),
        ("https://user:pass@host/path", "https://***@host/path"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("curl -H bearer abc.def x", "curl -H bearer *** x"),
        ("use ghp_0123456789abcdefABCD now", "use *** now"),
        ("glpat-0123456789abcdefABCD", "***"),
        ("AKIAABCDEFGHIJKLMNOP", "***"),
        (
            "k -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- z",
            "k *** z",
        ),
    ],
)
def test_a_secret_is_masked(text, shown):
    found = masked(text)
    assert "hunter2" not in found
    assert found.replace("Bearer ", "") == shown or found == shown


@pytest.mark.parametrize(
    "text",
    [
        "quay.io/tinkerbell/actions/image2disk:v1.0.0",
        "sh -c 'echo hello > /workflow/greeting'",
        "author: someone",
        "http://192.168.1.1:8080/image.raw.gz",
        "--dest-disk /dev/sda --compressed",
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(text):
    assert masked(text) == text


def test_the_word_after_a_flag_that_names_a_secret_is_masked():
    words = ("login", "-u", "me", "--password", "hunter2", "--token", "--force", "host")
    assert masked_words(words) == (
        "login",
        "-u",
        "me",
        "--password",
        "***",
        "--token",
        "--force",
        "host",
    )
