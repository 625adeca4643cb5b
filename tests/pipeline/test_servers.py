"""A real tracking server with a real PostgreSQL behind it, and many pipelines at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from interpreters import Interpreters
from mlflow_servers import MlflowServer, PostgresServer, postgres_program
from tracked_stages import contents

PIPELINES = 4
PIPELINE = """
import sys
from pathlib import Path
from tracked_stages import make_repository, run_pipeline
root = Path(sys.argv[1])
run_pipeline(root, make_repository(root).model_copy(update={"fingerprint": sys.argv[2] * 16}))
"""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def server(request: pytest.FixtureRequest, tmp_path: Path, interpreters: Interpreters) -> Iterator[MlflowServer]:
    """A server whose store is empty; its artifacts are proxied."""
    postgres = None
    if request.param == "PostgreSQL":
        if postgres_program("initdb") is None:
            pytest.skip("PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)")
        postgres = PostgresServer()
    backend = f"sqlite:///{tmp_path}/server.db" if postgres is None else postgres.address
    server = MlflowServer(tmp_path / "server", backend, interpreters)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        if postgres is not None:
            postgres.stop()


def test_pipelines_at_once_lose_nothing(server: MlflowServer, tmp_path: Path, interpreters: Interpreters) -> None:
    address = server.address.replace("//", "//user:hunter7@")
    processes = [
        interpreters.start(
            PIPELINE, tmp_path, str(tmp_path / f"root{number}"), str(number), MLFLOW_TRACKING_URI=address
        )
        for number in range(PIPELINES)
    ]
    for process in processes:
        printed, _ = process.communicate(timeout=180)
        assert process.returncode == 0, printed
        assert "MLflow failed" not in printed
        assert "hunter7" not in printed
    client = MlflowClient(server.address)
    found = contents(client)
    assert sorted(one["tags"]["fingerprint"] for one in found) == [str(number) * 16 for number in range(PIPELINES)]
    for run in found:
        assert run["status"] == "FINISHED"
        assert [step for step, _ in run["points"]["train/loss"]] == [1, 2, 3]
        assert [step for step, _ in run["points"]["train/step_loss"]] == list(range(1, 13))
        assert {"metrics.json", "history/epochs.csv", "figures/samples.png"} <= set(run["files"])
        assert [status for status, _ in run["models"]] == ["READY"]
