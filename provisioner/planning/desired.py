"""What does the desired branch say now, given what it said and which files changed?

A MAC, an IP address, an id and a name each belong to one file.  Whoever has one keeps it:
a newcomer that claims it too is refused, with both places named, and so nobody takes over
a machine by adding a file.  Of a refused or broken file the last good version stays in
force, but only until the newest versions do without what it claims: where those are free of
conflict, they are the state, whatever came before.  The work is proportional to what changed
and to the files that are refused.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from provisioner.model.hardware import Hardware
from provisioner.model.ids import BlobId, CommitId
from provisioner.model.problem import Problem, Severity
from provisioner.model.template import Template
from provisioner.model.views import NOTHING_IN_FORCE, Claim, DesiredState, FileDocuments
from provisioner.model.workflow import WorkflowRequest


class Decoded(Protocol):
    """What the documents of one file say (documents.decode)."""

    @property
    def hardware(self) -> tuple[Hardware, ...]: ...
    @property
    def templates(self) -> tuple[Template, ...]: ...
    @property
    def requests(self) -> tuple[WorkflowRequest, ...]: ...
    @property
    def problems(self) -> tuple[Problem, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """The newest version of a file."""

    blob_id: BlobId
    decoded: Decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """`touched` holds every claim of every document that came into force or left it;
    `changed` the files that changed and the paths of requests that came or left."""

    state: DesiredState
    touched: frozenset[Claim]
    changed: frozenset[str]


_WORDS: Mapping[str, tuple[str, str]] = {
    "mac": ("hardware.mac-taken", "MAC address {name}"),
    "ip": ("hardware.ip-taken", "IP address {name}"),
    "hardware": ("hardware.id-taken", "hardware id {name}"),
    "agent": ("hardware.agent-taken", "agentID {name!r}"),
    "template": ("template.name-taken", "template name {name!r}"),
    "request": ("workflow.id-taken", "workflow id {name}"),
}
_CONFLICT_CODES = frozenset(code for code, _ in _WORDS.values())
_HINTS: Mapping[str, str] = {
    "mac": "a MAC address identifies one machine; correct one of the two files",
    "ip": "an IP address identifies one machine; correct one of the two files",
    "hardware": "give every machine an id of its own: uuidgen",
    "agent": "an agentID names one machine's worker; correct one of the two files",
    "template": "a template is found by the name in its text; change one of the two",
    "request": "give the new request an id of its own: uuidgen",
}


def update(
    previous: DesiredState,
    changed: Mapping[str, ChangedFile | None],
    *,
    commit: CommitId | None,
    ages: Mapping[str, int] | None = None,
) -> Update:
    """Take in the files that changed; `None` means that a file is gone.

    Of `rivals` the one whose age is the lowest number goes first, else the first by its path.
    """
    updating = _Updating(previous, ages)
    updating.take(changed)
    return updating.result(commit)


def restore(
    in_force: Mapping[str, ChangedFile],
    newest: Mapping[str, ChangedFile],
    *,
    commit: CommitId | None,
    ages: Mapping[str, int] | None = None,
) -> Update:
    """Make the state that a server had before it was restarted.

    `in_force` holds what was used of each file, `newest` the versions that were not (see
    `versions_in_force`).  The newest come one by one: they were refused before, and must
    not find a claim free because its owner is being looked at too.
    """
    updating = _Updating(DesiredState(), ages)
    updating.take(in_force)
    for path, file in sorted(newest.items()):
        updating.take({path: file})
    return updating.result(commit)


def rivals(state: DesiredState, changed: Container[str]) -> dict[str, frozenset[Claim]]:
    """What files that came together claim both, by path: the order of paths decided it."""
    found: dict[str, set[Claim]] = {}
    for path, documents in state.refused.items():
        for claim in claims_of(documents):
            owner = state.claims.get(claim)
            if owner is not None and owner != path and path in changed and owner in changed:
                found.setdefault(path, set()).add(claim)
                found.setdefault(owner, set()).add(claim)
    return {path: frozenset(claims) for path, claims in found.items()}


def file_of(key: str) -> str:
    """The file of a request: of several in one file, each has the path `file#number`."""
    path, mark, number = key.rpartition("#")
    return path if mark and number.isdecimal() else key


def claims_of(documents: FileDocuments | Decoded) -> Iterator[Claim]:
    """Everything that only one file may have, in reading order."""
    for hardware in documents.hardware:
        yield "hardware", hardware.id
        if hardware.agent_id:
            yield "agent", hardware.agent_id
        for mac in hardware.macs:
            yield "mac", mac
        for address in hardware.ips:
            yield "ip", address
    for template in documents.templates:
        yield "template", template.name
    for request in documents.requests:
        if request.id is not None:
            yield "request", request.id


class _Updating:
    """One update under way: the maps of the state to be."""

    def __init__(self, previous: DesiredState, ages: Mapping[str, int] | None) -> None:
        self._now = previous
        self._ages = ages or {}
        self._files, self._claims = previous.files.edit(), previous.claims.edit()
        self._refused, self._problems = previous.refused.edit(), previous.problems.edit()
        self._in_force, self._paths = previous.in_force.edit(), previous.paths.edit()
        self._left: list[FileDocuments] = []  # documents that were in force
        self._came: list[str] = []  # paths whose documents came into force
        self._touched: set[Claim] = set()
        self._changed: frozenset[str] = frozenset()

    def take(self, changed: Mapping[str, ChangedFile | None]) -> None:
        self._changed |= changed.keys()
        last_good = {path: self._withdraw(path) for path in sorted(changed)}
        newest: list[tuple[int, int, str, ChangedFile]] = []
        for path in last_good:
            self._problems.discard(path)
            self._refused.discard(path)
            self._in_force.discard(path)
            file = changed[path]
            if file is None:
                self._paths.discard(path)
                continue
            self._paths[path] = file.blob_id
            if file.decoded.problems:
                self._problems[path] = tuple(file.decoded.problems)
            rank = _rank(file, last_good[path])
            newest.append((rank, self._ages.get(path, 0), path, file))
        for rank, _, path, file in sorted(newest, key=lambda each: each[:3]):
            documents = _documents(file)
            if rank == _BROKEN or not self._admit(path, documents):
                self._fall_back(path, last_good[path])
                if rank != _BROKEN:
                    self._refused[path] = documents

    def result(self, commit: CommitId | None) -> Update:
        self._admit_waiting()
        moved = (*self._left, *(self._files[path] for path in self._came))
        return Update(
            state=self._indexed(commit),
            touched=frozenset(self._touched),
            changed=self._changed.union(
                each.source.path for file in moved for each in file.requests
            ),
        )

    def _withdraw(self, path: str) -> FileDocuments | None:
        documents = self._files.get(path)
        if documents is not None:
            for claim in claims_of(documents):
                self._claims.discard(claim)
                self._touched.add(claim)
            self._files.discard(path)
            self._left.append(documents)
        return documents

    def _admit(self, path: str, documents: FileDocuments) -> bool:
        """Put documents in force unless another file has what they claim."""
        if any(self._conflicts(path, documents)):
            return False
        self._enforce(path, documents)
        return True

    def _enforce(self, path: str, documents: FileDocuments) -> None:
        for claim in claims_of(documents):
            self._claims[claim] = path
            self._touched.add(claim)
        self._files[path] = documents
        self._came.append(path)

    def _fall_back(self, path: str, last_good: FileDocuments | None) -> None:
        blob = NOTHING_IN_FORCE
        if last_good is not None and not any(self._conflicts(path, last_good)):
            self._enforce(path, last_good)
            blob = last_good.blob_id
        self._in_force[path] = blob

    def _admit_waiting(self) -> None:
        """Admit refused files, alone or together, until none gets what it waits for."""
        while self._refused:
            ready = self._free_alone() or self._free_together()
            if not ready:
                break
            for path in ready:
                self._withdraw(path)
            for path, documents in ready.items():
                self._refused.discard(path)
                self._in_force.discard(path)
                self._set_problems(path, ())
                self._enforce(path, documents)
        for path, documents in sorted(self._refused.items()):
            self._set_problems(path, tuple(self._conflicts(path, documents)))

    def _free_alone(self) -> dict[str, FileDocuments]:
        """The first refused file that conflicts with nothing in force."""
        for path, documents in sorted(self._refused.items()):
            if not any(self._conflicts(path, documents)):
                return {path: documents}
        return {}

    def _free_together(self) -> dict[str, FileDocuments]:
        """The refused files that conflict only with versions which they themselves replace.

        Two files that exchange a claim by two commits wait for each other's last good version.
        """
        ready = dict(sorted(self._refused.items()))
        wanted = {path: tuple(claims_of(documents)) for path, documents in ready.items()}
        is_settled = False
        while not is_settled:
            is_settled = True
            taken: set[Claim] = set()
            for path in tuple(ready):
                claims = wanted[path]
                is_free = len(claims) == len(set(claims)) and taken.isdisjoint(claims)
                for claim in claims:
                    owner = self._claims.get(claim, path)
                    is_left = owner == path or (owner in ready and claim not in wanted[owner])
                    is_free = is_free and is_left
                if is_free:
                    taken.update(claims)
                else:
                    del ready[path]
                    is_settled = False
        return ready

    def _set_problems(self, path: str, conflicts: tuple[Problem, ...]) -> None:
        """Replace what was told of claims; the rest stays."""
        told = self._problems.get(path) or ()
        rest = tuple(each for each in told if each.code not in _CONFLICT_CODES)
        if rest or conflicts:
            self._problems[path] = (*rest, *conflicts)
        else:
            self._problems.discard(path)

    def _conflicts(self, path: str, documents: FileDocuments) -> Iterator[Problem]:
        seen: set[Claim] = set()
        for claim in claims_of(documents):
            owner = self._claims.get(claim)
            if claim in seen:
                yield self._conflict(path, documents, claim, owner=path)
            elif owner is not None and owner != path:
                yield self._conflict(path, documents, claim, owner=owner)
            seen.add(claim)

    def _conflict(
        self, path: str, documents: FileDocuments, claim: Claim, *, owner: str
    ) -> Problem:
        kind, name = claim
        code, words = _WORDS[kind]
        places = _places(documents, name)
        line, column = places[-1]
        if owner == path:
            there = f"{path}:{places[0][0]}" if places[0][0] else "this file"
            message = f"{words.format(name=name)} is claimed twice, also in {there}"
        else:
            other = self._files.get(owner)
            there_line = _places(other, name)[0][0] if other else 0
            there = f"{owner}:{there_line}" if there_line else owner
            message = f"{words.format(name=name)} belongs to {there} already"
        return Problem(
            path=path, line=line, column=column, code=code, message=message, hint=_HINTS[kind]
        )

    def _indexed(self, commit: CommitId | None) -> DesiredState:
        now = self._now
        hardware, requests = now.hardware.edit(), now.requests.edit()
        by_mac, by_ip = now.hardware_by_mac.edit(), now.hardware_by_ip.edit()
        by_agent = now.hardware_by_agent.edit()
        templates, names = now.templates.edit(), now.template_names.edit()
        for documents in self._left:
            for machine in documents.hardware:
                hardware.discard(machine.id)
                by_agent.discard(machine.agent_id)
                for mac in machine.macs:
                    by_mac.discard(mac)
                for address in machine.ips:
                    by_ip.discard(address)
            for template in documents.templates:
                templates.discard(template.name)
                names.discard(template.id)
            for request in documents.requests:
                requests.discard(request.source.path)
        for path in self._came:
            documents = self._files[path]
            for machine in documents.hardware:
                hardware[machine.id] = machine
                if machine.agent_id:
                    by_agent[machine.agent_id] = machine.id
                for mac in machine.macs:
                    by_mac[mac] = machine.id
                for address in machine.ips:
                    by_ip[address] = machine.id
            for template in documents.templates:
                templates[template.name] = template
                names[template.id] = template.name
            for request in documents.requests:
                requests[request.source.path] = request
        return replace(
            now,
            commit=commit,
            hardware=hardware.result(),
            templates=templates.result(),
            requests=requests.result(),
            hardware_by_mac=by_mac.result(),
            hardware_by_ip=by_ip.result(),
            hardware_by_agent=by_agent.result(),
            template_names=names.result(),
            problems=self._problems.result(),
            in_force=self._in_force.result(),
            paths=self._paths.result(),
            files=self._files.result(),
            refused=self._refused.result(),
            claims=self._claims.result(),
        )


_BROKEN, _KEEPS, _CLAIMS_MORE = range(3)


def _rank(file: ChangedFile, last_good: FileDocuments | None) -> int:
    """Broken files fall back first; files that claim nothing new go before newcomers."""
    if any(each.severity is Severity.ERROR for each in file.decoded.problems):
        return _BROKEN
    had = set(claims_of(last_good)) if last_good else set()
    return _KEEPS if had.issuperset(claims_of(file.decoded)) else _CLAIMS_MORE


def _documents(file: ChangedFile) -> FileDocuments:
    decoded = file.decoded
    return FileDocuments(
        blob_id=file.blob_id,
        hardware=tuple(decoded.hardware),
        templates=tuple(decoded.templates),
        requests=tuple(decoded.requests),
    )


def _places(documents: FileDocuments, name: str) -> tuple[tuple[int, int], ...]:
    """Where the name stands in the documents of a file, the first and last at least."""
    found = [each.places[name] for each in documents.hardware if name in each.places]
    return tuple(found) or ((0, 0),)


def versions_in_force(
    in_force: Iterable[tuple[str, BlobId]], paths: Mapping[str, BlobId]
) -> dict[str, BlobId]:
    """Which version of each file `reconcile.json` says to use; files with none are left out."""
    told = dict(in_force)
    versions = {path: told.get(path, blob) for path, blob in paths.items()}
    return {path: blob for path, blob in versions.items() if blob != NOTHING_IN_FORCE}
