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
_CHOSEN = ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")  # by which a person names an experiment
# Where MLflow keeps the places of artifacts.
_PLACES = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}


class Store(NamedTuple):
    """A client, and the id of this project's experiment there."""

    client: "MlflowClient"
    experiment_id: str


def open_store(root: Path) -> Store:
    """The store for the repository at `root`, made if need be. Raises UserError and what MLflow raises.

    MLFLOW_EXPERIMENT_ID and MLFLOW_EXPERIMENT_NAME name another experiment than the project's own.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A link to the run, with the server's address as it is in MLFLOW_TRACKING_URI, password included.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # By default a server that does not answer holds the first call for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "3")
    address = store_address(root)
    if address.startswith("http"):
        _require_answer(address, float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
    from mlflow import MlflowClient  # takes seconds, and reads the variables above

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # These log a traceback of what they raise as well, and what MLflow raises is told in a line.
    for telling_twice in ("mlflow.store.db.utils", "sqlalchemy"):
        logging.getLogger(telling_twice).setLevel(logging.CRITICAL)
    if not address.startswith("http"):
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = 1  # else a database that refuses holds the first call for minutes
    if not address.startswith(_SQLITE):
        client = MlflowClient(address)
        return Store(client, _experiment(client, None))
    # The artifacts' location is relative to the database: MLflow would derive it from the process that makes the
    # experiment.
    from sqlalchemy import make_url

    database = Path(str(make_url(address).database))
    artifacts = (database.parent / _ARTIFACTS).as_uri()
    _create(database, artifacts)
    client = MlflowClient(address)
    experiment_id = _experiment(client, artifacts)
    _mend_places(database, experiment_id, artifacts)
    return Store(client, experiment_id)


def store_address(root: Path) -> str:
    """The address in MLFLOW_TRACKING_URI, or that of mlflow.db at `root`. Raises UserError for one in memory.

    A relative path is relative to the root, not to the working directory, which for a queued experiment is deleted
    after it.
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
        raise UserError(f"MLFLOW_TRACKING_URI is {address}, which keeps nothing: name a file")
    return url.set(database=str((root / str(url.database)).resolve())).render_as_string(hide_password=False)


def reason_of(error: Exception) -> str:
    """What MLflow says, in a line, without a password that an address may hold."""
    return without_password(" ".join(str(error).split()))[:300]


def retry(action: Callable[[], object]) -> None:
    """Do it, and once more if MLflow refuses it: it does when two processes insert the same in the same moment."""
    from mlflow import MlflowException

    try:
        action()
    except MlflowException:
        action()


@contextmanager
def failures_in_a_line() -> Iterator[None]:
    """Turn what MLflow raises, which can be anything, into a UserError without a password."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"MLflow failed: {reason_of(error)}") from error


def _require_answer(address: str, seconds: float) -> None:
    """Raise what requests does if no server answers at all: found before MLflow's import, that costs less."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    # It may need a certificate that MLflow alone is told of.
    with suppress(requests.exceptions.SSLError):
        requests.get(f"{parts.scheme}://{host}{parts.path}", timeout=seconds, stream=True).close()


def _create(database: Path, artifacts: str) -> None:
    """Make the database, unless it is there, so that neither a second process nor a kill can spoil it."""
    from mlflow import MlflowClient
    from sqlalchemy import URL

    with FileLock(f"{database}.lock"):
        if not database.exists():
            # In a folder, so that nothing is left of a making that was killed, not even SQLite's journal.
            unfinished = database.with_name(f"{database.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            address = URL.create("sqlite", database=str(unfinished / database.name)).render_as_string()
            _experiment(MlflowClient(address), artifacts)
            (unfinished / database.name).replace(database)
            shutil.rmtree(unfinished)
        # In WAL mode readers, such as the MLflow UI, and writers do not wait for each other. The file keeps the mode.
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")


def _mend_places(database: Path, experiment_id: str, artifacts: str) -> None:
    """Let the runs' artifacts be where they lie after the repository was moved or copied: MLflow keeps whole paths."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        query = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
        (former,) = connection.execute(query, [experiment_id]).fetchone()
        if former == artifacts or not (former.startswith("file:") and former.endswith(f"/{_ARTIFACTS}")):
            return  # it is right, or somebody chose it
        for table, column in _PLACES.items():
            below = f"{column} = ? OR substr({column}, 1, ?) = ?"
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE experiment_id = ? AND ({below})",  # noqa: S608 (names of ours)
                [artifacts, len(former) + 1, experiment_id, former, len(former) + 1, f"{former}/"],
            )
        connection.commit()
    print(f"MLflow's runs had their artifacts in {former}; they are looked for in {artifacts} now", flush=True)


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
        # A database by its name: MLflow would prefer a folder mlruns, which an older MLflow may have left.
        local = f"MLFLOW_TRACKING_URI={client.tracking_uri} " if client.tracking_uri.startswith(_SQLITE) else ""
        raise UserError(
            f"the experiment {there.name} is deleted: {local}mlflow experiments restore"
            f" --experiment-id {there.experiment_id}"
        )
    own = {} if any(map(os.environ.get, _CHOSEN)) else {OWN_EXPERIMENT: "true"}
    for name, value in (EXPERIMENT_TAGS | own).items():
        if name not in there.tags:  # what somebody wrote there stays
            retry(partial(client.set_experiment_tag, there.experiment_id, name, value))
    return there.experiment_id


def _find_experiment(client: "MlflowClient") -> "Experiment | None":
    """The experiment that the environment names, else the project's own, also if somebody renamed it."""
    if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return client.get_experiment(experiment_id)
    if name := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return client.get_experiment_by_name(name)
    if there := client.get_experiment_by_name(EXPERIMENT):
        return there
    from mlflow.entities import ViewType

    renamed = client.search_experiments(ViewType.ALL, filter_string=f"tags.{OWN_EXPERIMENT} = 'true'")
    return min(renamed, key=lambda experiment: experiment.lifecycle_stage, default=None)  # active before deleted
