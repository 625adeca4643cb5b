"""The order in which an epoch's images are read, also of more images than memory holds."""

import torch
from jaxtyping import Int64
from torch import Tensor

_RUNS_A_BLOCK = 16


def epoch_order(count: int, block: int, generator: torch.Generator) -> Int64[Tensor, " {count}"]:
    """The indices of all images, each once, in the order that the generator draws.

    Up to `block` images: one permutation, each order as likely. Of more, the file is taken in runs of block / 16
    neighbours; the runs come in random order, and each `block` images of what that gives are shuffled among themselves.

    Reading: within a block all of its pages are read and used, 16 runs of neighbours, while a permutation of all images
    would read a page of the file, and what the system reads ahead with it, for a single image. So what must stay in
    memory for each page to be read from the disk once an epoch is one block.
    Mixing: a batch's images come from 16 places of the file, so a file in the order of classes still gives mixed
    batches; which runs meet in a block changes from epoch to epoch, which images are in one run does not.

    Takes 8 bytes an image, and as many again while it is drawn.
    """
    if count <= block:
        return torch.randperm(count, generator=generator)
    run = max(1, block // _RUNS_A_BLOCK)
    starts = run * torch.randperm(-(-count // run), generator=generator)
    order = (starts[:, None] + torch.arange(run)).flatten()
    order = order[order < count]  # the last run of the file may be shorter
    for part in order.split(block):
        part.copy_(part[torch.randperm(len(part), generator=generator)])
    return order
