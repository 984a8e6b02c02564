"""sprig's functions on slash-separated paths, which look at no file."""

from __future__ import annotations

from gotemplate.functions.signature import Function, function, table


def clean(path: str) -> str:
    """The shortest path with the same meaning."""
    rooted = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts and parts[-1] != "..":
            parts.pop()
        elif not rooted:
            parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or "."


def base(path: str) -> str:
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def directory(path: str) -> str:
    head, slash, _ = path.rpartition("/")
    return clean(head + slash)


def extension(path: str) -> str:
    _, dot, tail = path.rpartition("/")[2].rpartition(".")
    return dot + tail if dot else ""


def _is_absolute(path: str) -> bool:
    return path.startswith("/")


PATHS: dict[str, Function] = table(
    function("base", "string", base),
    function("clean", "string", clean),
    function("dir", "string", directory),
    function("ext", "string", extension),
    function("isAbs", "string", _is_absolute),
    function("osBase", "string", base),
    function("osClean", "string", clean),
    function("osDir", "string", directory),
    function("osExt", "string", extension),
    function("osIsAbs", "string", _is_absolute),
)
