"""Draw the figures of the trained model."""

from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.console.stage import repository_root, run_stage
from mnist_vae.tracking.recorder_process import RecorderProcess


def main() -> None:
    # The recorder first: it imports MLflow while this process imports torch, which takes as long.
    with RecorderProcess(repository_root(Path.cwd()), "render") as recorder:
        _render(recorder)


def _render(recorder: RecorderProcess) -> None:
    from mnist_vae.common.catalogue import DATASETS
    from mnist_vae.common.device import place, prepare_device
    from mnist_vae.common.params import load_params
    from mnist_vae.data.history import read_epochs, read_steps
    from mnist_vae.data.latents import load_codes
    from mnist_vae.data.prepared import load_prepared
    from mnist_vae.figures import grids
    from mnist_vae.figures.arrays import draw_pictures, save_pictures
    from mnist_vae.figures.files import save_gif, save_png
    from mnist_vae.figures.gallery import Course, Subject, draw_gallery
    from mnist_vae.model.file import load_model, load_origin
    from mnist_vae.tracking.run import track_known_run

    # What made the model is read from the model; only what concerns the figures alone, from params.yaml.
    origin = load_origin(paths.MODEL)
    params = load_params(paths.PARAMS).of_figures()
    made_by = origin.params
    device = prepare_device(made_by.device, made_by.threads, deterministic=made_by.deterministic)
    with track_known_run(recorder, origin) as run:
        model = load_model(paths.MODEL, device).autoencoder
        test_images = place(load_prepared(paths.PREPARED).test.images, device)
        pictures = draw_pictures(model, test_images, load_codes(paths.LATENTS), origin.params.seed, params)
        save_pictures(pictures, paths.PICTURES)
        subject = Subject(DATASETS[origin.params.dataset].title, model.likelihood.distortion_unit, params)
        epochs = read_epochs(paths.EPOCHS, made_by.epochs)
        course = Course(epochs, read_steps(paths.STEPS, made_by.epochs * made_by.steps_per_epoch))
        folder = paths.FIGURES
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure, absence in draw_gallery(pictures, course, subject):
            if figure is None:
                print(f"render: no {name}: {absence}")
            else:
                save_png(figure, folder / f"{name}.png")
        frames = grids.animation(pictures.straight_interpolation)
        save_gif(frames, grids.animation_milliseconds(params.interpolation_steps), folder / "interpolation.gif")
        run.log_artifacts("figures", *sorted(folder.iterdir()))
        run.log_figure_params(params)
    print(f"render: {len(list(folder.glob('*.png')))} figures and an animation in {folder}")


if __name__ == "__main__":
    run_stage(main)
