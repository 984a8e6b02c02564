"""What classic tink-server's database does for one action report, on a real PostgreSQL.

The tables, indexes and statements are those of tink v0.5: read the context, read the
actions, update the state, insert the event, the two writes as serializable transactions
of their own.  pgbench drives it over a unix socket; no RPC cost is charged.  PostgreSQL
is private (own folder, own socket), with fsync on and everything else as it ships.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figures, summarise

TABLES = """
CREATE TABLE workflow (id uuid UNIQUE NOT NULL, template uuid NOT NULL, devices jsonb NOT NULL,
  created_at timestamptz, updated_at timestamptz, deleted_at timestamptz);
CREATE INDEX idx_workflow ON workflow (id);
CREATE TABLE workflow_state (workflow_id uuid UNIQUE NOT NULL, current_worker varchar(200),
  current_task_name varchar(200), current_action_name varchar(200), current_action_state smallint,
  current_action_index int, total_number_of_actions int, action_list jsonb);
CREATE INDEX idx_workflow_state ON workflow_state (workflow_id);
CREATE TABLE workflow_worker_map (workflow_id uuid NOT NULL, worker_id uuid NOT NULL);
CREATE INDEX idx_worker_map ON workflow_worker_map (workflow_id, worker_id);
CREATE TABLE workflow_event (workflow_id uuid NOT NULL, worker_id uuid NOT NULL,
  task_name varchar(200), action_name varchar(200), execution_time int, message varchar(200),
  status smallint, created_at timestamptz);
CREATE INDEX idx_event ON workflow_event (created_at);
"""

# One id is drawn a transaction; ids are md5(number) so that the script can compute them.
REPORT = """
\\set n random(1, :workflows)
SELECT current_worker, current_task_name, current_action_name, current_action_index,
  current_action_state, total_number_of_actions FROM workflow_state
  WHERE workflow_id = md5((:n)::text)::uuid;
SELECT action_list FROM workflow_state WHERE workflow_id = md5((:n)::text)::uuid;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE workflow_state SET current_task_name = 'os-installation',
  current_action_name = 'disk-wipe', current_action_state = 1,
  current_worker = md5((:n)::text), current_action_index = 0
  WHERE workflow_id = md5((:n)::text)::uuid;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO workflow_event (workflow_id, worker_id, task_name, action_name, execution_time,
  message, status, created_at) VALUES (md5((:n)::text)::uuid, md5((:n)::text)::uuid,
  'os-installation', 'disk-wipe', 0, 'Started execution', 1, now());
COMMIT;
"""

POLL = """
\\set n random(1, :workflows)
SELECT workflow_id FROM workflow_worker_map WHERE worker_id = md5((:n)::text)::uuid;
SELECT current_worker, current_task_name, current_action_name, current_action_index,
  current_action_state, total_number_of_actions FROM workflow_state
  WHERE workflow_id = md5((:n)::text)::uuid;
"""

_ACTIONS = (
    "(SELECT jsonb_agg(jsonb_build_object('task_name', 'os-installation', 'name', 'action-' || a,"
    " 'image', 'quay.io/actions/image2disk:v1.0.0', 'timeout', 600, 'worker_id', gen_random_uuid(),"
    " 'environment', '[\"DEST_DISK=/dev/sda\", \"COMPRESSED=true\"]'::jsonb))"
    " FROM generate_series(1, 10) a)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPeer:
    folder: Path
    binaries: Path
    environment: dict[str, str]

    def sql(self, text: str) -> None:
        self._run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", text)

    def load(self, workflows: int) -> None:
        """Fill the tables anew with that many workflows of ten actions."""
        for table in ("workflow", "workflow_state", "workflow_worker_map", "workflow_event"):
            self.sql(f"DROP TABLE IF EXISTS {table}")
        self.sql(TABLES)
        rows = f"FROM generate_series(1, {workflows}) n"
        self.sql(
            "INSERT INTO workflow_state SELECT md5(n::text)::uuid, '', '', '', 0, 0, 10,"
            f" {_ACTIONS} {rows}"
        )
        self.sql(
            f"INSERT INTO workflow_worker_map SELECT md5(n::text)::uuid, md5(n::text)::uuid {rows}"
        )
        self.sql("VACUUM ANALYZE")
        self.sql("CHECKPOINT")

    def run(self, script: str, *, workflows: int, clients: int, seconds: int) -> Figures:
        where = self.folder / f"run-{uuid.uuid4().hex}"
        where.mkdir()
        (where / "script.sql").write_text(script)
        self._run(
            "pgbench", "-n", "-M", "extended", "-c", str(clients), "-j", "1", "-T", str(seconds),
            "-D", f"workflows={workflows}", "-f", "script.sql", "-l", "--max-tries=1", "postgres",
            cwd=where,
        )  # fmt: skip
        latencies = [
            int(words[2]) / 1000
            for log in where.glob("pgbench_log.*")
            for words in map(str.split, log.read_text().splitlines())
            if words[2].isdigit()  # a serialization failure logs a word instead
        ]
        shutil.rmtree(where)
        return summarise(latencies, seconds)

    def _run(self, program: str, *words: str, cwd: Path | None = None) -> None:
        subprocess.run(
            [self.binaries / program, *words],
            check=True,
            capture_output=True,
            cwd=cwd,
            env=self.environment,
        )


def _drop_root() -> None:
    if os.getuid() == 0:
        postgres = pwd.getpwnam("postgres")
        os.setgid(postgres.pw_gid)
        os.setuid(postgres.pw_uid)


@contextmanager
def postgres(extra_environment: dict[str, str] | None = None) -> Iterator[PostgresPeer]:
    """Run a private PostgreSQL; `extra_environment` reaches the server (LD_PRELOAD)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        raise SystemExit("no PostgreSQL server here: apt-get install postgresql")
    binaries = found[-1]
    with tempfile.TemporaryDirectory(prefix="tinkgit-postgres-") as name:
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        folder.chmod(0o755)
        data = folder / "data"
        plain = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust"],
            check=True, capture_output=True, preexec_fn=_drop_root, env=plain, cwd=folder,
        )  # fmt: skip
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=",
             "-c", "max_connections=400"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_drop_root,
            env={**plain, **(extra_environment or {})}, cwd=folder,
        )  # fmt: skip
        try:
            environment = {**plain, "PGHOST": str(folder), "PGUSER": "postgres"}
            ready = [str(binaries / "pg_isready"), "-q", "-t", "1"]
            while subprocess.run(ready, env=environment, check=False).returncode:
                if server.poll() is not None:
                    raise SystemExit("PostgreSQL did not start")
            yield PostgresPeer(folder=folder, binaries=binaries, environment=environment)
        finally:
            server.terminate()
            server.wait()
