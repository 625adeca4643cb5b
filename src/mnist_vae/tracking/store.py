"""Where MLflow keeps runs: mlflow.db at the repository's root, or what MLFLOW_TRACKING_URI names."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import requests
from filelock import FileLock

from mnist_vae.console.stage import UserError, without_password
from mnist_vae.tracking.page import EXPERIMENT_TAGS, OWN_EXPERIMENT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT = "mnist-vae"
_SQLITE = ("sqlite:", "sqlite+")
_ARTIFACTS = "mlartifacts"
_CHOSEN = ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")  # variables with which a person chooses an experiment
# The tables and columns in which MLflow stores the locations of artifacts.
_PLACES = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}


class Store(NamedTuple):
    """An MLflow client, and the id of this project's experiment in its store."""

    client: "MlflowClient"
    experiment_id: str


def open_store(root: Path) -> Store:
    """The store for the repository at `root`, created if it does not exist. Raises UserError and what MLflow raises.

    MLFLOW_EXPERIMENT_ID or MLFLOW_EXPERIMENT_NAME selects an experiment other than the project's own.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow would print a link to the run with the server's address as in MLFLOW_TRACKING_URI, including a password.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # By default, the first call waits for minutes if the server does not answer.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "3")
    address = store_address(root)
    if address.startswith("http"):
        _require_answer(address, float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
    from mlflow import MlflowClient  # takes seconds, and reads the variables above

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # These loggers print a traceback of what is raised anyway. What MLflow raises is reported in one line.
    for telling_twice in ("mlflow.store.db.utils", "sqlalchemy"):
        logging.getLogger(telling_twice).setLevel(logging.CRITICAL)
    if not address.startswith("http"):
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = 1  # otherwise the first call retries for minutes if the database refuses
    if not address.startswith(_SQLITE):
        client = MlflowClient(address)
        return Store(client, _experiment(client, None))
    # The artifacts' location is relative to the database. By default MLflow derives it from the process that creates
    # the experiment.
    from sqlalchemy import make_url

    database = Path(str(make_url(address).database))
    artifacts = (database.parent / _ARTIFACTS).as_uri()
    _create(database, artifacts)
    client = MlflowClient(address)
    experiment_id = _experiment(client, artifacts)
    _mend_places(database, experiment_id, artifacts)
    return Store(client, experiment_id)


def store_address(root: Path) -> str:
    """The address in MLFLOW_TRACKING_URI, or of mlflow.db at `root`. Raises UserError for a database in memory.

    A relative path is relative to `root`, not to the working directory: the working directory of a queued experiment is
    deleted after it.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    scheme, colon, path = address.partition(":")
    if scheme == "file" or not (colon or address.startswith("databricks")):
        return (root / (unquote(path.removeprefix("//")) if colon else address)).as_uri()
    if not address.startswith(_SQLITE):
        return address
    from sqlalchemy import make_url  # takes a moment, as part of MLflow

    url = make_url(address)
    if url.database in {None, "", ":memory:"}:
        raise UserError(f"MLFLOW_TRACKING_URI is {address}, which is a database in memory: name a file or a server")
    return url.set(database=str((root / str(url.database)).resolve())).render_as_string(hide_password=False)


def reason_of(error: Exception) -> str:
    """The error's message in one line, without passwords in addresses."""
    return without_password(" ".join(str(error).split()))[:300]


def retry(action: Callable[[], object]) -> None:
    """Call `action`, and once more if MLflow refuses it, as it does if two processes insert the same row at once."""
    from mlflow import MlflowException

    try:
        action()
    except MlflowException:
        action()


@contextmanager
def failures_in_a_line() -> Iterator[None]:
    """Turn any exception of MLflow into a UserError without passwords."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"MLflow failed: {reason_of(error)}") from error


def _require_answer(address: str, seconds: float) -> None:
    """Raise what requests raises if no server answers. To fail before the import of MLflow saves time."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    # The server may need a certificate that only MLflow knows.
    with suppress(requests.exceptions.SSLError):
        requests.get(f"{parts.scheme}://{host}{parts.path}", timeout=seconds, stream=True).close()


def _create(database: Path, artifacts: str) -> None:
    """Create the database unless it exists, so that neither a second process nor a kill can damage it."""
    from mlflow import MlflowClient
    from sqlalchemy import URL

    with FileLock(f"{database}.lock"):
        if not database.exists():
            # It is created in a folder of its own, which is deleted after a kill, together with SQLite's journal.
            unfinished = database.with_name(f"{database.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            address = URL.create("sqlite", database=str(unfinished / database.name)).render_as_string()
            _experiment(MlflowClient(address), artifacts)
            (unfinished / database.name).replace(database)
            shutil.rmtree(unfinished)
        # In WAL mode, readers such as the MLflow UI and writers do not wait for each other. The file keeps the mode.
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")


def _mend_places(database: Path, experiment_id: str, artifacts: str) -> None:
    """Update the artifacts' locations after the repository was moved or copied: MLflow stores absolute paths."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        query = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
        (former,) = connection.execute(query, [experiment_id]).fetchone()
        if former == artifacts or not (former.startswith("file:") and former.endswith(f"/{_ARTIFACTS}")):
            return  # the location is right, or somebody chose it
        for table, column in _PLACES.items():
            below = f"{column} = ? OR substr({column}, 1, ?) = ?"
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE experiment_id = ? AND ({below})",  # noqa: S608 (names of ours)
                [artifacts, len(former) + 1, experiment_id, former, len(former) + 1, f"{former}/"],
            )
        connection.commit()
    print(
        f"the repository was moved: MLflow looks for the artifacts of its runs in {artifacts} now, and no longer in"
        f" {former}",
        flush=True,
    )


def _experiment(client: "MlflowClient", artifacts: str | None) -> str:
    from mlflow import MlflowException

    there = _find_experiment(client)
    if there is None:
        try:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
            there = client.get_experiment(client.create_experiment(name, artifacts))
        except MlflowException:  # another process may have been faster
            there = _find_experiment(client)
            if there is None:
                raise
    if there.lifecycle_stage != "active":
        # The command names the database, because MLflow prefers a folder mlruns, which an older MLflow may have left.
        local = f"MLFLOW_TRACKING_URI={client.tracking_uri} " if client.tracking_uri.startswith(_SQLITE) else ""
        raise UserError(
            f"the MLflow experiment {there.name} is deleted; restore it with: {local}mlflow experiments restore"
            f" --experiment-id {there.experiment_id}"
        )
    own = {} if any(map(os.environ.get, _CHOSEN)) else {OWN_EXPERIMENT: "true"}
    for name, value in (EXPERIMENT_TAGS | own).items():
        if name not in there.tags:  # a tag that somebody changed stays
            retry(partial(client.set_experiment_tag, there.experiment_id, name, value))
    return there.experiment_id


def _find_experiment(client: "MlflowClient") -> "Experiment | None":
    """The experiment that the environment selects, otherwise the project's own, even if somebody renamed it."""
    if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return client.get_experiment(experiment_id)
    if name := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return client.get_experiment_by_name(name)
    if there := client.get_experiment_by_name(EXPERIMENT):
        return there
    from mlflow.entities import ViewType

    renamed = client.search_experiments(ViewType.ALL, filter_string=f"tags.{OWN_EXPERIMENT} = 'true'")
    return min(renamed, key=lambda experiment: experiment.lifecycle_stage, default=None)  # active before deleted
