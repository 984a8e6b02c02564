"""The wire format between worker and server, byte for byte.

Standard library only, and pure, so that both sides use this one file.  Schemas for other
programs are in `schema/wire/v1`.

    GET  /v1/workers/{worker}/action?wait=SECONDS     200 Offer | 204 nothing for you
    POST /v1/workflows/{id}/reports                   200 Acknowledgement
    POST /v1/workflows/{id}/heartbeat                 200 HeartbeatAnswer
    GET  /v1/workflows/{id}/data?worker=W             200 archive | 204 no data yet
    PUT  /v1/workflows/{id}/data?worker=W&action_index=N&attempt=N&report_id=R   200 DataAnswer

`{worker}` is a MAC, an IP address or a hardware id in any usual spelling.  A machine that
is unknown and one that has nothing to do get the same 204.  An error is
`{"error": {"code": …, "message": …, "hint": …}}`: 4xx means don't repeat (but 408, 425
and 429), anything else means try again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar

from worker import tar

CONTENT_TYPE_ARCHIVE = "application/x-tar"
HEADER_DATA_VERSION = "Tink-Data-Version"
HEADER_DATA_SHA256 = "Tink-Data-Sha256"

DATA_LIMIT_BYTES = 10_485_760  # the contents of all files together
DATA_LIMIT_FILES = 4_096
PATH_LIMIT_BYTES = 1_024
DEPTH_LIMIT = 64  # folders in folders: a worker holds a descriptor open for each
FOLDER_LIMIT = 4_096  # each is an object in the repository, which costs more than its path
HEADER_LIMIT = 4 * DATA_LIMIT_FILES  # files and folders, each with a header of its own before it
# Tar adds two blocks a file at most twice over (long names), and two at the end.
ARCHIVE_LIMIT_BYTES = DATA_LIMIT_BYTES + DATA_LIMIT_FILES * (4 * 512 + PATH_LIMIT_BYTES) + 20_480
LOG_TAIL_BYTES = 65_536
MESSAGE_LIMIT = 200
WAIT_LIMIT_SECONDS = 60

T = TypeVar("T")


class WireError(ValueError):
    """What came over the wire is not of the contract's form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The action whose turn it is.

    `action_status` is STATE_RUNNING when this action was under way already: a worker that
    still holds its container goes on with `attempt`, any other starts `attempt + 1`.
    Else it is STATE_PENDING and `attempt` is 0.  `data_version` 0 means no data yet.
    """

    workflow_id: str
    workflow_name: str
    worker_id: str
    total_number_of_actions: int
    action_index: int
    action_status: str
    attempt: int
    task_name: str
    action_name: str
    image: str
    timeout_seconds: int
    command: tuple[str, ...] = ()
    on_timeout: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()  # KEY=VALUE, sorted
    pid: str = ""
    network: str = ""
    data_version: int = 0
    data_sha256: str = ""
    background: bool = False  # start it when its SUCCESS is acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How an action goes.  The same `report_id` may be sent any number of times."""

    report_id: str
    worker: str
    task_name: str
    action_name: str
    action_index: int
    attempt: int
    action_status: str
    seconds: int = 0
    message: str = ""
    exit_code: int | None = None
    log_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The report is durable in `commit`, as the workflow's event number `event`."""

    workflow_id: str
    report_id: str
    event: int
    workflow_state: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    worker: str
    action_index: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAnswer:
    """`cancel` means: stop the container, this run is no longer wanted; `reason` says why."""

    cancel: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAnswer:
    version: int
    sha256: str
    commit: str


def report_id(workflow_id: str, action_index: int, attempt: int, what: str) -> str:
    """The same run's report always has the same id, also after the worker's own crash."""
    return f"{workflow_id}:{action_index}:{attempt}:{what}"


_as_text = json.JSONEncoder(ensure_ascii=False).encode


@cache
def _fields_of(kind: type) -> tuple[tuple[str, str], ...]:
    """Name and type of each field; all messages of this file are dataclasses."""
    return tuple((field.name, str(field.type)) for field in fields(kind))


def encode(message: object) -> bytes:
    # The messages are flat: `asdict`, which copies deeply, takes five times as long.
    values = {name: getattr(message, name) for name, _ in _fields_of(type(message))}  # type: ignore[arg-type]  # mypy hashes the instance
    return _as_text(values).encode(
        "utf-8", "replace"
    )  # a file name may have brought what is no text


def decode(kind: type[T], body: bytes | bytearray) -> T:
    """Read one message; fields that this version does not know are passed over."""
    try:
        values = json.loads(str(body, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"the body is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise WireError("the body is not a JSON object")
    # Only an escape can spell half a character in a body that is UTF-8.
    return from_mapping(kind, values, is_text=b"\\u" not in body)


_KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "int | None": (int, type(None)),
}


def from_mapping(kind: type[T], values: Mapping[str, object], *, is_text: bool = False) -> T:
    """Make a message; `is_text` says that all strings are known to be whole."""
    known: dict[str, Any] = {}
    for name, type_name in _fields_of(kind):  # type: ignore[arg-type]  # mypy hashes the instance
        if name not in values:
            continue
        value = values[name]
        if type_name == "tuple[str, ...]":
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise WireError(f"{name} is not a list of strings")
            value = tuple(value)
        else:
            wanted = _KINDS[type_name]
            if type(value) not in wanted and (
                not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)
            ):
                raise WireError(f"{name} is not of type {type_name}")
        if not is_text and not _is_text(value):
            raise WireError(f"{name} holds half a character (a lone surrogate)")
        known[name] = value
    try:
        return kind(**known)
    except TypeError as error:
        missing = str(error).partition("argument")[2].lstrip("s: ")
        raise WireError(f"missing: {missing}") from None


def _is_text(value: object) -> bool:
    """JSON can spell strings that no UTF-8 file can hold."""
    try:
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, tuple):
            "".join(value).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """One file of the ephemeral data.  `path` is relative, parts joined by `/`."""

    path: str
    content: bytes
    executable: bool = False


class DataTooLarge(WireError):
    """The message names the size and the limit."""


def check_sizes(size_bytes: int, file_count: int) -> None:
    if size_bytes > DATA_LIMIT_BYTES:
        raise DataTooLarge(
            f"ephemeral data is {size_bytes} bytes, the limit is {DATA_LIMIT_BYTES} bytes"
        )
    if file_count > DATA_LIMIT_FILES:
        raise DataTooLarge(
            f"ephemeral data is {file_count} files, the limit is {DATA_LIMIT_FILES} files"
        )


def check_path(path: str) -> None:
    """Refuse whatever could lead out of the folder."""
    parts = path.split("/")
    if not path or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        raise WireError(f"{path[:60]!r} is not a path inside the ephemeral data")
    if len(parts) > DEPTH_LIMIT + 1:
        raise WireError(f"path {path[:60]!r}… is more than {DEPTH_LIMIT} folders deep")
    if len(path.encode("utf-8", "surrogateescape")) > PATH_LIMIT_BYTES:
        raise WireError(f"path {path[:60]!r}… is longer than {PATH_LIMIT_BYTES} bytes")


def pack(files: Iterable[ArchivedFile]) -> bytes:
    """Write the canonical archive: sorted, no times, no owners, so that its sha256 is
    that of the content."""
    return b"".join(_packed(files))


def sha256_of(files: Iterable[ArchivedFile]) -> str:
    """The sha256 of the canonical archive, which is never in memory as a whole."""
    digest = hashlib.sha256()
    for part in _packed(files):
        digest.update(part)
    return digest.hexdigest()


def _packed(files: Iterable[ArchivedFile]) -> Iterator[bytes]:
    ordered = sorted(files, key=lambda each: each.path.encode("utf-8", "surrogateescape"))
    check_sizes(sum(len(each.content) for each in ordered), len(ordered))
    for each in ordered:
        check_path(each.path)
    return tar.write((each.path, each.content, each.executable) for each in ordered)


def unpack(archive: bytes | bytearray) -> tuple[ArchivedFile, ...]:
    """Read an archive of plain files at plain paths; anything else is refused.

    10 MB in 4,096 files take some 0.1 s, and no archive within the limits more than a second.
    """
    if len(archive) > ARCHIVE_LIMIT_BYTES:
        raise DataTooLarge(
            f"the archive is {len(archive)} bytes, the limit is {ARCHIVE_LIMIT_BYTES} bytes"
        )
    files: dict[str, ArchivedFile] = {}
    size = 0
    try:
        for entry in tar.entries(archive, header_limit=HEADER_LIMIT):
            check_path(entry.path)
            size += entry.size
            check_sizes(size, len(files) + 1)
            if entry.path in files:
                raise WireError(f"{entry.path[:60]!r} is in the archive twice")
            files[entry.path] = ArchivedFile(
                path=entry.path,
                content=bytes(archive[entry.start : entry.start + entry.size]),
                executable=entry.executable,
            )
    except tar.NotTar as error:
        raise WireError(f"the body is not a tar archive of plain files: {error}") from None
    check_folders(files)
    return tuple(files.values())


def check_folders(paths: Iterable[str]) -> None:
    """Refuse a file that is a folder of another one too, and more folders than are shared."""
    # With the smallest character between parts, what is in a folder comes right behind it.
    count, above = 0, [""]
    for path in sorted(path.replace("/", "\0") for path in paths):
        parts = path.split("\0")
        shared = 0
        for mine, before in zip(parts, above, strict=False):
            if mine != before:
                break
            shared += 1
        if shared == len(above):
            raise WireError(f"{'/'.join(above)[:60]!r} is a file and a folder")
        count += len(parts) - 1 - shared
        above = parts
    if count > FOLDER_LIMIT:
        raise DataTooLarge(f"ephemeral data is in {count} folders, the limit is {FOLDER_LIMIT}")


def sha256(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()
