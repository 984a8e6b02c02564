"""The entry point of `tink-worker`, and its logging.

Its log goes to stderr, the output of the actions to stdout.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from worker import config as configuration
from worker.action import Leaving
from worker.config import Config, ConfigError
from worker.folder_lock import FolderLock, FolderTaken
from worker.loop import Worker
from worker.runtime import DockerRuntime
from worker.transport import ServerApi

EXIT_TAKEN = 1
EXIT_USAGE = 2


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "source": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logs(log_format: str) -> None:
    is_json = log_format == "json"
    own = logging.StreamHandler(sys.stderr)
    own.setFormatter(
        JsonLines() if is_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    actions = logging.StreamHandler(sys.stdout)
    actions.setFormatter(JsonLines() if is_json else logging.Formatter("%(message)s"))
    worker = logging.getLogger("worker")
    worker.setLevel(logging.INFO)
    worker.addHandler(own)
    output = logging.getLogger("worker.output")
    output.propagate = False
    output.addHandler(actions)


def leave_on_signals(leaving: threading.Event, is_asking: threading.Event) -> None:
    """The first signal ends the worker in order, a second one at once."""

    def leave(number: int, frame: FrameType | None) -> None:
        leaving.set()
        signal.signal(number, signal.SIG_DFL)
        if is_asking.is_set():  # a long poll would hold us for half a minute
            is_asking.clear()
            raise Leaving

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def run(config: Config) -> None:
    try:
        folder = FolderLock(config.workflow_dir)
    except FolderTaken as taken:
        print(f"tink-worker: {taken}", file=sys.stderr)
        sys.exit(EXIT_TAKEN)
    leaving = threading.Event()
    api = ServerApi(config.server, stop=leaving, first_pause_seconds=config.retry_interval_seconds)
    runtime = DockerRuntime(config)
    worker = Worker(config, api, runtime, leaving=leaving)
    leave_on_signals(leaving, worker.is_asking)
    try:
        worker.work()
    finally:
        runtime.close()
        api.close()
        folder.release()


def main(words: Sequence[str] | None = None) -> None:
    """Exits by itself: a zipapp does not pass a return value on."""
    try:
        config = configuration.load(sys.argv[1:] if words is None else words)
    except ConfigError as error:
        print(f"tink-worker: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    set_up_logs(config.log_format)
    run(config)


if __name__ == "__main__":
    main()
