"""The Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from provisioner.model.views import Snapshot
from provisioner.services.conditions import Condition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _SnapshotCollector(Collector):
    """Reads the newest snapshot when somebody asks; nothing is counted meanwhile."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        waiting: Callable[[], int],
        writer: str,
        conditions: Callable[[], Iterable[Condition]],
        set_aside: Callable[[], int],
    ) -> None:
        self._snapshot = snapshot
        self._waiting = waiting
        self._conditions = conditions
        self._set_aside = set_aside
        self._writer = writer

    def collect(self) -> Iterator[GaugeMetricFamily]:
        snapshot = self._snapshot()
        status, desired = snapshot.status, snapshot.desired
        live = {each for queue in status.queues.values() for each in queue}
        for name, text, value in (
            ("tink_workflows", "Workflows on the status branch.", len(status.workflows)),
            ("tink_live_workflows", "Workflows that have not ended.", len(live)),
            ("tink_busy_workers", "Workers with a workflow.", len(status.queues)),
            ("tink_hardware", "Machines known.", len(desired.hardware)),
            ("tink_templates", "Templates known.", len(desired.templates)),
            ("tink_problems", "Problems found in the last commit.", len(status.reconcile.problems)),
            ("tink_set_aside_workflows", "Workflows with a damaged file.", self._set_aside()),
            ("tink_waiting_polls", "Workers that wait for work.", self._waiting()),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        info = GaugeMetricFamily(
            "tink_branch_info", "Commits that are served.", labels=["writer", "desired", "status"]
        )
        info.add_metric([self._writer, desired.commit or "", status.commit or ""], 1)
        yield info
        standing = GaugeMetricFamily(
            "tink_condition", "What keeps the server from its work; see /readyz.", labels=["name"]
        )
        for each in self._conditions():
            standing.add_metric([each.name], 1)
        yield standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter
    created: Counter
    pushes: Counter
    fetches: Counter
    branch_moves: Counter
    boots: Counter
    dhcp: Counter
    hooks: Counter
    connections: Gauge
    kept: Gauge

    def render(self) -> bytes:
        return generate_latest(self.registry)


def build(
    snapshot: Callable[[], Snapshot],
    *,
    waiting: Callable[[], int],
    writer: str,
    conditions: Callable[[], Iterable[Condition]] = tuple,
    set_aside: Callable[[], int] = int,
) -> Metrics:
    registry = CollectorRegistry()
    registry.register(_SnapshotCollector(snapshot, waiting, writer, conditions, set_aside))
    return Metrics(
        registry=registry,
        requests=Counter(
            "tink_http_requests", "Requests answered.", ["route", "status"], registry=registry
        ),
        created=Counter("tink_workflows_created", "Workflows created.", registry=registry),
        pushes=Counter(
            "tink_status_pushes", "Pushes of the status branch.", ["outcome"], registry=registry
        ),
        fetches=Counter(
            "tink_remote_fetches", "Fetches of the remote.", ["outcome"], registry=registry
        ),
        branch_moves=Counter(
            "tink_status_branch_moves",
            "What was done where somebody else moved the status branch or its archive.",
            ["branch", "kind"],
            registry=registry,
        ),
        boots=Counter("tink_boot_requests", "Boot scripts asked for.", ["boot"], registry=registry),
        dhcp=Counter(
            "tink_dhcp_answers",
            "Machines that got an address or a boot program, or were ignored.",
            ["answer"],
            registry=registry,
        ),
        hooks=Counter(
            "tink_hook_deliveries",
            "What a forge sent to /hooks/push.",
            ["outcome"],
            registry=registry,
        ),
        connections=Gauge("tink_http_connections", "Open connections.", registry=registry),
        kept=Gauge("tink_http_kept_bytes", "Bytes kept for clients.", ["share"], registry=registry),
    )
