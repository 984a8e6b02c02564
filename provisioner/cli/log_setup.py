"""The log of `tink serve` and of its reading processes: plain lines or JSON, on stderr."""

from __future__ import annotations

import json
import logging

from provisioner.model import times


def log_to_stderr(log_format: str) -> None:
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # It calls it an error that a folder is not watched any more (services/watcher does that).
    logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)


class JsonLines(logging.Formatter):
    """One JSON object a line, for whatever gathers logs."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": times.of_event(record.created),
            "level": record.levelname.lower(),
            "source": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
