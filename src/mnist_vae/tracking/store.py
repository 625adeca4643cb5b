"""Where MLflow keeps runs: mlflow.db at the repository's root, or what MLFLOW_TRACKING_URI names."""

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "mnist-vae"
_SQLITE = "sqlite:///"


class Store(NamedTuple):
    """A client, and the id of this project's experiment there."""

    client: "MlflowClient"
    experiment_id: str


def open_store(root: Path) -> Store:
    """The store for the repository at `root`, made if need be. Raises what MLflow raises."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # By default a server that does not answer holds the first call for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    from mlflow import MlflowClient  # takes seconds, and reads the variables above

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # These log a traceback of what they raise as well, and what MLflow raises is told in a line.
    for telling_twice in ("mlflow.store.db.utils", "sqlalchemy"):
        logging.getLogger(telling_twice).setLevel(logging.CRITICAL)
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    if not address.startswith(_SQLITE):
        client = MlflowClient(address)
        return Store(client, _experiment(client, None))
    # Relative to the root, not to the working directory, which for a queued experiment is deleted after it. So is the
    # artifacts' location, which MLflow would otherwise derive from the process that makes the experiment.
    database = (root / address.removeprefix(_SQLITE)).resolve()
    artifacts = (database.parent / "mlartifacts").as_uri()
    _create(database, artifacts)
    client = MlflowClient(f"{_SQLITE}{database}")
    return Store(client, _experiment(client, artifacts))


def _create(database: Path, artifacts: str) -> None:
    """Make the database, unless it is there, so that neither a second process nor a kill can spoil it."""
    from mlflow import MlflowClient

    with FileLock(f"{database}.lock"):
        if not database.exists():
            unfinished = database.with_name(f"{database.name}.{os.getpid()}")
            _experiment(MlflowClient(f"{_SQLITE}{unfinished}"), artifacts)
            unfinished.replace(database)
        # In WAL mode readers, such as the MLflow UI, and writers do not wait for each other. The file keeps the mode.
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")


def _experiment(client: "MlflowClient", artifacts: str | None) -> str:
    from mlflow import MlflowException

    if (there := client.get_experiment_by_name(EXPERIMENT)) is None:
        try:
            return client.create_experiment(EXPERIMENT, artifacts)
        except MlflowException:  # another process may have been faster
            if (there := client.get_experiment_by_name(EXPERIMENT)) is None:
                raise
    return there.experiment_id
