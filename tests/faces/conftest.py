"""A server's inside, in memory, and two ways to ask it: Flask's client and real HTTP."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from provisioner.config import BootSettings
from provisioner.faces.http.app import create_app
from provisioner.services import metrics
from provisioner.services.booting import Booting
from provisioner.services.provisioner import Provisioner
from provisioner.services.reports import Reports
from provisioner.services.sightings import Sightings
from tests.builders import ONE, TWO, hardware, record, status, template
from tests.planning.test_desired import after, file
from tests.services.parts import FIRST, SECOND, HandClock, MemoryWriter


class Inside:
    """Two machines; one workflow of both, and a second one of the first machine."""

    def __init__(self):
        view = status(record(ONE, TWO, workflow=FIRST), record(ONE, workflow=SECOND))
        self.writer = MemoryWriter(view)
        self.snapshots = self.writer.snapshots
        documents = (hardware(ONE), hardware(TWO), template())
        self.snapshots.swap_desired(after({each.source.path: file(each) for each in documents}))
        self.threads = ThreadPoolExecutor(2)
        self.contacts = []
        self.ready = True
        self.held: list[tuple[Future, Any]] | None = None  # set to a list: answers are held back
        self.wall = HandClock()
        self.sightings = Sightings(self.wall.now)
        self.boots = []
        self.provisioner = Provisioner(
            snapshots=self.snapshots,
            reports=Reports(
                writer=self,
                snapshots=self.snapshots,
                clock=HandClock(),
                threads=self.threads,
                contact=self.contacts.append,
            ),
            stored=self.writer,
            metrics=metrics.build(
                lambda: self.snapshots.current,
                waiting=self.snapshots.waiting_count,
                writer="test",
            ),
            threads=self.threads,
            version="1.2.3",
            contact=self.contacts.append,
            is_ready=lambda: self.ready,
            booting=self.booting(),
        )

    def booting(self, **settings):
        return Booting(
            BootSettings(**settings),
            lambda: self.snapshots.current,
            self.sightings,
            count=self.boots.append,
        )

    def set_booting(self, **settings):
        """Serve with other settings from now on; before the application is made."""
        self.provisioner = replace(self.provisioner, booting=self.booting(**settings))

    def set_hardware(self, *machines):
        documents = (*machines, template())
        self.snapshots.swap_desired(after({each.source.path: file(each) for each in documents}))

    def propose(self, proposal):
        if self.held is None:
            return self.writer.propose(proposal)
        held: Future = Future()
        self.held.append((held, proposal))
        return held

    def write_data_files(self, files, *, known):
        return self.writer.write_data_files(files, known=known)

    def release(self):
        """Make what was held durable, as one group."""
        waiting, self.held = self.held, None
        for future, proposal in waiting:
            done = self.writer.propose(proposal)
            if done.exception():
                future.set_exception(done.exception())
            else:
                future.set_result(done.result())

    def apply(self, *events):
        self.writer.propose(lambda view: events).result()


@pytest.fixture
def inside():
    opened = Inside()
    yield opened
    opened.threads.shutdown()


@pytest.fixture
def client(inside):
    return create_app(inside.provisioner).test_client()
