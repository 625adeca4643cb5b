"""The fingerprint of a training: one hash of all that decides the weights."""

import hashlib
import json
import sys
from pathlib import Path

import torch

from mnist_vae.common.params import ModelParams
from mnist_vae.model.networks import load_network


def training_fingerprint(params: ModelParams, data_md5: str, device: torch.device) -> str:
    """A hash of the parameters, the prepared data, the project's code in use, torch's build and the device's kind.

    Equal fingerprints on one machine mean equal weights.
    """
    load_network(params.network)
    origin = {
        "params": params.model_dump(mode="json"),
        "data": data_md5,
        "code": _source_md5(),
        "torch": str(torch.__version__),
        "device": device.type,
    }
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]


def _source_md5() -> str:
    # But for the network, all imports of the project stand at the top of its modules, or of what a stage runs: what is
    # loaded is what is used.
    modules = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "mnist_vae"}
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(modules):
        digest.update(name.encode() + b"\0" + Path(str(modules[name].__file__)).read_bytes() + b"\0")
    return digest.hexdigest()
