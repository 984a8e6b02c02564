"""sprig's `urlParse` and `urlJoin`: a URL as a map of its parts, and back.  No network."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.literals import from_bytes, to_bytes
from gotemplate.values import plain_name

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USERINFO = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_PORT = re.compile(r"(:[0-9]*)?")
# What may stand unescaped, besides letters, digits and -._~
_HOST_SAFE = "!$&'()*+,;=:[]<>\""
_PATH_SAFE = "$&+,/:;=@"
_FRAGMENT_SAFE = "$&+,/:;=?@!()*"
_USER_SAFE = "$&+,;="
_PARTS = ("scheme", "userinfo", "host", "path", "query", "opaque", "fragment")


def _unescaped(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise CallFault(f"{text!r} has a % without two hexadecimal digits")
    return from_bytes(unquote_to_bytes(to_bytes(text)))


def _escaped(text: str, safe: str) -> str:
    return quote_from_bytes(to_bytes(text), safe=safe)


def _host(scheme: str, text: str) -> str:
    if text.startswith("["):
        inside, bracket, port = text[1:].rpartition("]")
        zone = inside.partition("%25")
        try:
            ipaddress.IPv6Address(zone[0])
        except ValueError as error:
            raise CallFault(f"{text!r} is no address") from error
        if not bracket or not _PORT.fullmatch(port):
            raise CallFault(f"{text!r} is no host and port")
        return f"[{_unescaped(inside)}]{port}"
    if "[" in text:
        raise CallFault(f"{text!r} is no host")
    strict = scheme in ("http", "https")
    colon = text.find(":") if strict else text.rfind(":")
    if colon >= 0 and not _PORT.fullmatch(text[colon:]):
        raise CallFault(f"{text!r} has no number as port")
    for character in text:
        plain = character.isalnum() or character in "-._~%" or character in _HOST_SAFE
        if character.isascii() and not plain:
            raise CallFault(f"the character {character!r} can't stand in a host name")
    for code in re.findall("%(..)", text):
        if code != "25" and code[0] in "01234567":
            raise CallFault(f"%{code} can't stand in a host name")
    return _unescaped(text)


def _userinfo(text: str) -> str:
    if not _USERINFO.fullmatch(text):
        raise CallFault("the user name and password have characters that must be escaped")
    name, colon, password = text.partition(":")
    return _escaped(_unescaped(name), _USER_SAFE) + (
        colon + _escaped(_unescaped(password), _USER_SAFE) if colon else ""
    )


def _url_parse(url: str) -> dict[str, object]:
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise CallFault("a URL has no control characters")
    rest, _, fragment = url.partition("#")
    parts = dict.fromkeys((*_PARTS, "hostname"), "")
    parts["fragment"] = _unescaped(fragment)
    if rest == "*":
        return {**parts, "path": "*"}
    if rest.startswith(":"):
        raise CallFault("the scheme is missing before the colon")
    match = _SCHEME.match(rest)
    if match is not None:
        parts["scheme"] = match[1].lower()
        rest = rest[match.end() :]
    rest, _, parts["query"] = rest.partition("?")
    if not rest.startswith("/") and match is not None:
        return {**parts, "opaque": rest}
    if not rest.startswith("/") and ":" in rest.partition("/")[0]:
        raise CallFault("the first part of a path has no colon; is the scheme wrong?")
    if rest.startswith("//") and (match is not None or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, at, host = authority.rpartition("@")
        parts["host"] = _host(parts["scheme"], host)
        parts["userinfo"] = _userinfo(user) if at else ""
        parts["hostname"] = _hostname(parts["host"])
    return {**parts, "path": _unescaped(rest)}


def _hostname(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and _PORT.fullmatch(colon + port):
        host = name
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _url_join(parts: dict[str, object] | None) -> str:
    texts: dict[str, str] = {}
    for name in _PARTS:
        value = (parts or {}).get(name, "")
        if not isinstance(value, str):
            raise CallFault(f"{name} is {plain_name(value)} and no text")
        texts[name] = value
    url = f"{texts['scheme']}:" if texts["scheme"] else ""
    if texts["opaque"]:
        url += texts["opaque"]
    else:
        url += _authority_and_path(url, texts)
    url += f"?{texts['query']}" if texts["query"] else ""
    return url + (f"#{_escaped(texts['fragment'], _FRAGMENT_SAFE)}" if texts["fragment"] else "")


def _authority_and_path(before: str, texts: dict[str, str]) -> str:
    user, host = texts["userinfo"], texts["host"]
    path = texts["path"] if texts["path"] == "*" else _escaped(texts["path"], _PATH_SAFE)
    out = ""
    if host or user or (before and path):
        out = "//"
        out += _userinfo(user) + "@" if user else ""
        out += _escaped(host, _HOST_SAFE)
    if path and host and not path.startswith("/"):
        out += "/"
    if not before and not out and ":" in path.partition("/")[0]:
        out = "./"
    return out + path


URLS: dict[str, Function] = table(
    function("urlJoin", "map", _url_join),
    function("urlParse", "string", _url_parse),
)
