"""Draw the figures of the trained model."""

from pathlib import Path

import torch

from mnist_vae import figures
from mnist_vae.codes import load_codes
from mnist_vae.datasets import DATASETS
from mnist_vae.device import prepare_device
from mnist_vae.figure_files import save_gif, save_png
from mnist_vae.history import read_epochs, read_steps
from mnist_vae.model_file import load_model, load_origin
from mnist_vae.params import load_params
from mnist_vae.pictures import draw_pictures, save_pictures
from mnist_vae.prepared import load_prepared
from mnist_vae.stage import repository_root, run_stage
from mnist_vae.tracking import track_known_run


def main(
    prepared_path: Path,
    model_path: Path,
    codes_path: Path,
    epochs_path: Path,
    steps_path: Path,
    pictures_path: Path,
    folder: Path,
) -> None:
    # What made the model is read from the model; only what concerns the figures alone, from params.yaml.
    origin = load_origin(model_path)
    params = load_params(Path("params.yaml")).of_figures()
    device = prepare_device(origin.params.device, origin.params.threads)
    with track_known_run("render", repository_root(Path.cwd()), origin) as run:
        model = load_model(model_path, device).autoencoder
        test_images = torch.from_numpy(load_prepared(prepared_path).test.images).to(device)
        pictures = draw_pictures(model, test_images, load_codes(codes_path), origin.params.seed, params)
        save_pictures(pictures, pictures_path)
        data = DATASETS[origin.params.dataset].title
        first, second = params.interpolation_from, params.interpolation_to
        drawn = {
            "reconstructions": figures.reconstructions(pictures.reconstructions, f"{data}: test images, reconstructed"),
            "samples": figures.samples(pictures.samples, f"{data}: decoded samples from the prior"),
            "permutations": figures.permutations(
                pictures.permutations, f"{data}: decoded codes of test images with standard normal noise added"
            ),
            "class_means": figures.class_means(pictures.class_means, f"{data}: decoded mean code of each class"),
            "interpolation": figures.interpolation(
                pictures.interpolation, f"{data}: from the mean code of class {first} to that of class {second}"
            ),
            "training": figures.training_curves(
                read_epochs(epochs_path), read_steps(steps_path), model.likelihood.distortion_unit, f"{data}: training"
            ),
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in drawn.items():
            save_png(figure, folder / f"{name}.png")
        frames = figures.animation(pictures.interpolation)
        save_gif(frames, figures.animation_milliseconds(params.interpolation_steps), folder / "interpolation.gif")
        run.log_artifacts("figures", *sorted(folder.iterdir()))
        run.log_figure_params(params)
    print(f"render: {len(drawn)} figures and an animation in {folder}")


if __name__ == "__main__":
    run_stage(main)
