"""The terms of the loss on images that the model is not trained on."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.loss import Terms
from mnist_vae.training.ranks import OneProcess, Ranks

# Bounds the memory, and more leave a processor's caches; only free bits, which take a batch's mean, depend on it.
_BATCH = 500


def mean_terms(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], ranks: OneProcess | Ranks = OneProcess()) -> Terms:
    """Loss, distortion and rate at the mean codes, in evaluation mode, as means over the images in float64."""
    model.eval()
    with torch.inference_mode():
        shards = (ranks.shard(batch).to(model.device) for batch in images.split(_BATCH))
        terms = [torch.stack(model.terms(shard, noise=None)) for shard in shards]
    return ranks.means(Terms(*torch.cat(terms, dim=1).cpu().double()))
