"""Runs to make pages of: small models whose batch norms are scattered, with all that a page shows of them."""

import numpy as np
import torch
from torch import nn

from builders import epoch_row, tiny_images, tiny_labels, tiny_origin, tiny_params
from mnist_vae.common.catalogue import DIGITS
from mnist_vae.data.history import StepRow
from mnist_vae.data.latents import Latents
from mnist_vae.data.prepared import ClassNames, Prepared, Split
from mnist_vae.figures.arrays import draw_pictures
from mnist_vae.figures.gallery import Course
from mnist_vae.model.autoencoder import Autoencoder, build_autoencoder
from mnist_vae.model.file import TrainedModel
from mnist_vae.page.headline import Numbers
from mnist_vae.page.report import Run

COUNT = 130  # test images
NUMBERS = Numbers(0.05, 12.5, 0.8, 2, 1234, -321.5, [label / 100 for label in range(10)])
# One of each network kind, with the forms that params.yaml allows.
KINDS = {
    "conv": {},
    "conv of two levels, 28x28": {"image_size": 28, "conv_channels": [3, 6], "latent_dim": 5},
    "deep": {"network": "deep", "reduction": "sum"},
    "mlp": {"network": "mlp"},
    "mlp of three layers, Bernoulli": {"network": "mlp", "mlp_widths": [9, 7, 5], "reconstruction": "bernoulli"},
    "conv_dense with SiLU, Bernoulli": {
        "network": "conv_dense",
        "conv_channels": [3, 4],
        "mlp_widths": [10],
        "activation": "silu",
        "reconstruction": "bernoulli",
    },
    "plain autoencoder": {"variational": False, "kl_weight": 0},
    "plane": {"network": "mlp", "latent_dim": 2, "image_size": 28, "reconstruction": "squared_error_sigmoid"},
    "plain plane": {"latent_dim": 2, "variational": False, "kl_weight": 0},
    "line": {"latent_dim": 1},
}


def scattered_model(**changes: object) -> Autoencoder:
    """A model of tiny_params with changes, in evaluation mode, no batch norm of which leaves values as they are."""
    return scatter(build_autoencoder(tiny_params(**changes).of_model()))


def scatter(network: Autoencoder) -> Autoencoder:
    source = torch.Generator().manual_seed(5)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None  # noqa: PT018
            layer.running_mean.copy_(torch.randn(layer.num_features, generator=source))
            layer.running_var.copy_(torch.rand(layer.num_features, generator=source) + 0.3)
            layer.weight.data.copy_(torch.randn(layer.num_features, generator=source))
            layer.bias.data.copy_(torch.randn(layer.num_features, generator=source))
    return network.eval()


def page_run(class_names: ClassNames = DIGITS, **changes: object) -> Run:
    """A run of tiny_params with changes, on images of the classes with these names."""
    params = tiny_params(**changes)
    model = scattered_model(**changes)
    count = max(COUNT, 2 * len(class_names))
    images, labels = tiny_images(count, size=params.image_size), tiny_labels(count)
    if class_names != DIGITS:
        labels = (np.arange(count) % max(len(class_names), 1)).astype(np.uint16)
    # As images of digits, they are more or less bright, and half of each is black.
    brightness = torch.from_numpy(np.random.default_rng(3).random((count, 1, 1, 1)))
    images = (images * brightness).byte()
    images[:, :, : params.image_size // 2] = 0
    with torch.inference_mode():
        code = model.encode(images)
    latents = Latents(code.mean.numpy(), code.kl().numpy(), labels, code.mean.numpy()[::2])
    figure_params = params.of_figures()
    pictures = draw_pictures(model, images, latents, params.seed, figure_params, class_names)
    steps = [StepRow(1 + number // 50, number + 1, 1 / (number + 1)) for number in range(100)]
    course = Course([epoch_row(epoch) for epoch in (1, 2, 3)], steps)
    origin = tiny_origin().model_copy(update={"params": params.of_model()})
    absences = {}  # as draw_gallery gives them, which takes seconds
    if not model.latent.has_prior:
        absences |= dict.fromkeys(["samples", "perturbed", "latent_dimensions"], "a plain autoencoder has no prior")
    if not class_names:
        absences |= dict.fromkeys(["classes", "class_means", "interpolation"], "the images have no classes")
    test = Split(images.numpy(), labels)
    return Run(
        TrainedModel(model, origin),
        Prepared(Split(test.images[:70], labels[:70]), Split(test.images[:20], labels[:20]), test),
        latents,
        NUMBERS._replace(class_mse=[(1 + label) / 100 for label in range(len(class_names))]),
        course,
        pictures,
        absences,
        figure_params,
        class_names,
    )


def random_codes(run: Run, count: int) -> np.ndarray:
    """Codes (count, D) of the run's model, drawn from a normal distribution."""
    dimensions = run.latents.mean.shape[1]
    return np.random.default_rng(7).standard_normal((count, dimensions)).astype(np.float32)
