"""A forge tells a real server of a push, which fetches at once from a real remote."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time

import pytest
import requests

from tests.e2e.site import Site, hardware

pytestmark = [pytest.mark.network]

SECRET = b"a secret of the forge and the server"


@pytest.fixture
def place(tmp_path):
    """A server that fetches once an hour, unless the forge tells it."""
    site = Site(folder=tmp_path)
    site.repository.mkdir()
    site.tink("init", ".")
    site.git("clone", "--quiet", "--mirror", str(site.repository), str(tmp_path / "site.git"))
    site.git("remote", "add", "forge", str(tmp_path / "site.git"))
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    site.served = (tmp_path / "site.git").as_uri()
    try:
        site.serve(
            "--clone-into", str(tmp_path / "clone"), "--fetch", "3600",
            "--hook-listen", "127.0.0.1:0", "--hook-secret-file", str(tmp_path / "secret"),
        )  # fmt: skip
        site.await_that(
            lambda: requests.get(f"http://{site.address}/readyz", timeout=10).ok, "it is ready"
        )
        yield site
    finally:
        site.stop_all()


def hook(site):
    found = re.search(r"at (http://\S+/hooks/push)", (site.folder / "server-1.log").read_text())
    assert found
    return found[1]


def signature(body, secret=SECRET):
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def pushed(branch="main", after="1" * 40):
    return json.dumps({"ref": f"refs/heads/{branch}", "after": after}).encode()


def deliver(site, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(hook(site), body, headers=named, timeout=10)


def machines(site):
    page = requests.get(f"http://{site.address}/metrics", timeout=10).text
    return float(re.search(r"^tink_hardware (\S+)", page, re.MULTILINE)[1])


def fetches(site):
    page = requests.get(f"http://{site.address}/metrics", timeout=10).text
    return float(re.search(r'tink_remote_fetches_total\{outcome="done"\} (\S+)', page)[1])


def proofs(body):
    digest = signature(body)
    return (
        {"X_Hub_Signature_256": f"sha256={digest}", "X_GitHub_Delivery": "1"},
        {"X_Gitea_Signature": digest, "X_Gitea_Delivery": "2"},
        {"X_Gitlab_Token": SECRET.decode(), "Idempotency_Key": "3"},
        {"X_Signature": f"sha256={digest}"},
    )


@pytest.mark.parametrize("kind", range(4), ids=["github", "gitea", "gitlab", "plain"])
def test_a_signed_push_is_fetched_at_once(place, kind):
    before = machines(place)
    place.commit("Add a machine", hardware__n1=hardware(1))
    place.git("push", "-q", "forge", "main")
    body = pushed(after=place.git("rev-parse", "HEAD").strip())
    assert deliver(place, body, **proofs(body)[kind]).status_code == 202
    place.await_that(lambda: machines(place) == before + 1, "the machine is known")


def test_what_is_unsigned_forged_replayed_or_of_another_branch_wakes_nobody(place):
    body = pushed()
    good = {"X_Hub_Signature_256": f"sha256={signature(body)}", "X_GitHub_Delivery": "1"}
    assert deliver(place, body, **good).status_code == 202
    place.await_that(lambda: fetches(place) >= 2, "it was fetched")
    time.sleep(1)
    before = fetches(place)
    assert deliver(place, body).status_code == 401
    old = hmac.new(SECRET, body, hashlib.sha1).hexdigest()
    assert deliver(place, body, X_Hub_Signature=f"sha1={old}").status_code == 401
    wrong = signature(body, b"another secret")
    assert deliver(place, body, X_Gitea_Signature=wrong).status_code == 401
    assert deliver(place, body, X_Gitlab_Token="guessed").status_code == 401
    again = deliver(place, body, **{**good, "X_GitHub_Delivery": "2"})
    assert (again.status_code, again.json()["outcome"]) == (200, "replayed")
    for branch in ("status", "status-archive", "feature"):
        other = pushed(branch)
        ignored = deliver(place, other, X_Gitea_Signature=signature(other))
        assert (ignored.status_code, ignored.json()["outcome"]) == (200, "ignored")
    for broken in (b"{", b"[]", b"[" * 50_000):
        refused = deliver(place, broken, X_Gitea_Signature=signature(broken))
        assert refused.status_code == 400
    time.sleep(1)
    assert fetches(place) == before


def test_a_large_body_is_refused_before_it_is_read_and_nothing_else_is_served(place):
    url = hook(place)
    large = requests.Request("POST", url, headers={"X-Gitea-Signature": "0" * 64}).prepare()
    large.headers["Content-Length"] = str(10**9)
    assert requests.Session().send(large, timeout=10).status_code == 413
    assert requests.get(url, timeout=10).status_code == 405
    for path in ("/", "/metrics", "/v1/workflows", "/readyz"):
        assert requests.get(url.replace("/hooks/push", path), timeout=10).status_code == 404


def test_an_address_that_guesses_is_shut_out_for_a_while(place):
    for _ in range(10):
        assert deliver(place, pushed(), X_Gitlab_Token="guessed").status_code == 401
    refused = deliver(place, pushed(), X_Gitlab_Token="guessed")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 61


def test_a_listener_without_a_secret_does_not_start(tmp_path):
    site = Site(folder=tmp_path)
    site.repository.mkdir()
    site.tink("init", ".")
    site.tink("serve", "--hook-listen", "127.0.0.1:0", exit_code=1)
    (tmp_path / "short").write_text("x")
    words = ("--hook-listen", "127.0.0.1:0", "--hook-secret-file", str(tmp_path / "short"))
    site.tink("serve", *words, exit_code=1)
