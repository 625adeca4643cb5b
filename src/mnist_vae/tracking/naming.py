"""What a run is called and says of itself from its beginning."""

import time
from pathlib import Path
from typing import Literal

from mnist_vae.model.file import Origin
from mnist_vae.tracking.entries import Data, NewRun
from mnist_vae.tracking.provenance import find_provenance
from mnist_vae.tracking.repository import repository_id


def new_run(root: Path, origin: Origin, environment: str | None, reuse: Literal["unfinished", "any"]) -> NewRun:
    """The run of a training of that origin, by the code and the experiment in the working directory, which for a queued
    experiment is another one than the repository's root.
    """
    provenance = find_provenance(Path.cwd())
    tags = {"fingerprint": origin.fingerprint, "data_md5": origin.data_md5, **provenance._asdict()}
    tags["repository"] = repository_id(root)
    tags |= {"environment": environment} if environment else {}
    if provenance.dvc_experiment:
        tags["dvc_apply"] = f"dvc exp apply {provenance.dvc_experiment}"
    return NewRun(
        name=provenance.dvc_experiment or f"{origin.params.network}, kl_weight {origin.params.kl_weight:g}",
        params={name: str(value) for name, value in origin.params.model_dump().items()},
        tags={name: value for name, value in tags.items() if value},
        data=Data(name=origin.params.dataset, md5=origin.data_md5),
        reuse=reuse,
        at=round(time.time() * 1000),
    )
