"""The training of this project, as the train stage runs it, without files and MLflow.

Command line: the file of prepared data, the number of images, parameters that differ from params.yaml, as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from contest import answer
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.loop import Training
from mnist_vae.training.process_group import join_ranks
from mnist_vae.training.rank_process import STORE


def main(prepared_path: Path, count: int, changes: dict) -> None:
    params = load_params(Path("params.yaml")).of_model().model_copy(update=changes | {"epochs": 1})
    with ExitStack() as ended_with_this:
        if params.processes > 1 and "RANK" not in os.environ:
            _start_others(params.processes, ended_with_this)
        device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
        ranks = join_ranks(params.processes, device)
        prepared = load_prepared(prepared_path)
        images = place(prepared.train.images[:count], device)
        validation_images = place(prepared.validation.images[:1], device)

        def run() -> float:
            training = Training(build_autoencoder(params).to(device), images, validation_images, params, ranks)
            training.begin_together()
            (history,) = training.run()
            return history.steps[-1].loss

        while ranks.rank > 0:  # it waits in each run for the first one, and is ended with it
            run()
        answer(run)


def _start_others(processes: int, ended: ExitStack) -> None:
    """Start the other ranks, which find this one, the first, through a file."""
    folder = ended.enter_context(tempfile.TemporaryDirectory())
    os.environ |= {STORE: f"{folder}/store", "WORLD_SIZE": str(processes), "GLOO_SOCKET_IFNAME": "lo"}
    for rank in map(str, range(1, processes)):
        own = os.environ | {"RANK": rank, "LOCAL_RANK": rank}
        process = subprocess.Popen([sys.executable, *sys.argv], env=own, stdin=subprocess.DEVNULL)
        ended.callback(process.wait)
        ended.callback(process.kill)
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
