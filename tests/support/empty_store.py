"""A new MLflow store, made once for all processes of these tests: MLflow's migrations take a second."""

from pathlib import Path

import pytest
from filelock import FileLock

from mnist_vae.tracking.store import open_store


def empty_store_in(shared_folder: Path) -> bytes:
    """The database of an empty store, which the first process that needs it makes in the shared folder."""
    root = shared_folder / "empty-store"
    with FileLock(f"{root}.lock"):
        if not root.exists():
            unfinished = root.with_name("unfinished empty-store")
            unfinished.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID"):  # the caller's, or a former test's
                    patch.delenv(f"MLFLOW_{name}", raising=False)
                open_store(unfinished)
            unfinished.rename(root)
        return (root / "mlflow.db").read_bytes()
