"""What the machine can do at best, in GFLOP/s: a matrix product of 1024 × 1024, or a 3×3 convolution of 64 channels.

Command line: matmul or convolution.
"""

import sys
from pathlib import Path

import torch

from contest import answer
from mnist_vae.common.device import find_device
from mnist_vae.common.params import load_params

_SIDE = 1024
_BATCH, _CHANNELS, _IMAGE = 64, 64, 16
_TIMES = 30


def main(what: str) -> None:
    params = load_params(Path("params.yaml")).of_model()
    device = find_device(params.device)
    torch.set_num_threads(params.threads)
    if what == "matmul":
        matrix = torch.randn(_SIDE, _SIDE, device=device)
        work, operations = (lambda: matrix @ matrix), 2 * _SIDE**3
    else:
        images = torch.randn(_BATCH, _CHANNELS, _IMAGE, _IMAGE, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        weight = torch.randn(_CHANNELS, _CHANNELS, 3, 3, device=device)
        work = lambda: torch.nn.functional.conv2d(images, weight, padding=1)  # noqa: E731
        operations = 2 * _BATCH * _CHANNELS**2 * 9 * _IMAGE**2

    def run() -> float:
        results = [work() for _ in range(_TIMES)]
        return float(results[-1].flatten()[0])  # waits for a GPU

    print(_TIMES * operations, flush=True)
    answer(run)


if __name__ == "__main__":
    main(sys.argv[1])
