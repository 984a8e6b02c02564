"""Splits the user name and password off a remote's URL.

They stand in no configuration file and in no command line, which `ps` shows to everybody
(git hands the URL to a helper of its own): git asks for them, and the environment answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from provisioner.errors import UserError

_HTTP = re.compile(r"(https?://)(?:([^/\s]*)@)?([^/@\s]*)(.*)", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"(?<=://)([^/\s:]*):[^/\s]*(?=@)")
_QUERY = re.compile(r"(?<=\S)\?[^\s'\"?]*=[^\s'\"]*")
_SCP_LIKE = re.compile(r"[^/:]+:")  # host:path
# git runs it with `get`, `store` or `erase`; only the names show in its command line.
_HELPER = (
    '!f() { if test "$1" = get; then printf \'username=%s\\n\' "$TINK_REMOTE_USER";'
    ' test -z "$TINK_REMOTE_PASSWORD" || printf \'password=%s\\n\' "$TINK_REMOTE_PASSWORD";'
    " fi; }; f"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteUrl:
    """`plain` may be shown and stored; `environment` is for the git that reaches it."""

    plain: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def is_url(text: str) -> bool:
    """Whether this names a remote, as git would take it, and no folder that is there."""
    return "://" in text or bool(_SCP_LIKE.match(text) and not Path(text).exists())


def hint(text: str, why: str) -> str:
    """What a person may have meant by a URL that git could not reach, from what git said."""
    host, _, path = text.partition(":")
    if "not allowed" in why:
        return "git reads https://, ssh://, file:// and HOST:PATH here, and no other transport"
    if host == "file" and not path.startswith("///") and "://" in text:
        return f"a host stands after file://; a folder has three slashes: file:///{path[2:]}"
    if "://" in text or not _SCP_LIKE.match(text):
        return ""
    if host == "file":
        return f"git takes file for the name of a machine; a folder is file://{path}, or {path}"
    taken = f"git takes {host} for the name of a machine, or of a Host in ~/.ssh/config"
    return f"{taken}; a folder with a colon in its name is ./{text}"


def parse(text: str) -> RemoteUrl:
    """Take the credentials of an HTTP URL apart from it; other URLs hold none that git uses."""
    found = _HTTP.fullmatch(text)
    if found is None or found[2] is None:
        return RemoteUrl(plain=text)
    scheme, credentials, host, path = found.groups()
    user, _, password = (unquote(part) for part in credentials.partition(":"))
    if not (user + password).isprintable():
        raise UserError("the user name or password in the remote's URL has a control character")
    return RemoteUrl(
        plain=f"{scheme}{host}{path}",
        environment={
            "GIT_CONFIG_COUNT": "1",
            # Of this host only: a redirect to another one gets nothing.
            "GIT_CONFIG_KEY_0": f"credential.{scheme}{host}.helper",
            "GIT_CONFIG_VALUE_0": _HELPER,
            "TINK_REMOTE_USER": user,
            "TINK_REMOTE_PASSWORD": password,
        },
    )


def shown(text: str) -> str:
    """Return a path or URL as logs and messages may show it: no password, and no query, where
    some forges take a token."""
    return without_query(_PASSWORD.sub(r"\1", parse(text).plain))


def without_query(text: str) -> str:
    """A text with the queries of its URLs left out."""
    return _QUERY.sub("?…", text)
