"""The fingerprint of a training: one hash of everything that decides the weights."""

import hashlib
import json
from pathlib import Path

import torch

import mnist_vae
from mnist_vae.common.atomic import code_md5
from mnist_vae.common.params import ModelParams

# The folders of code that dvc.yaml names for the train stage (a test compares them).
FOLDERS = ("common", "data", "model", "training")


def training_fingerprint(params: ModelParams, data_md5: str, device: torch.device) -> str:
    """A hash of the parameters, the prepared data, the training's code, torch's build and the kind of device.

    Equal fingerprints on one machine mean equal weights.
    """
    origin = {
        "params": params.model_dump(mode="json"),
        "data": data_md5,
        "code": code_md5(Path(str(mnist_vae.__file__)).parent, FOLDERS),
        "torch": str(torch.__version__),
        "device": device.type,
    }
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]
