"""Draw the figures of the trained model, and write the page of the run."""

from mnist_vae.console.early import begin_imports

begin_imports()

from mnist_vae.common import paths
from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.catalogue import dataset_title
from mnist_vae.common.device import place, prepare_device
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import run_stage
from mnist_vae.data.history import read_epochs, read_steps
from mnist_vae.data.latents import load_latents
from mnist_vae.data.prepared import load_class_names, load_prepared
from mnist_vae.figures import grids
from mnist_vae.figures.arrays import draw_pictures, save_pictures
from mnist_vae.figures.gallery import Course, Subject, draw_gallery
from mnist_vae.figures.style import save_gif, save_png
from mnist_vae.model.file import load_model, load_origin
from mnist_vae.page.headline import load_numbers
from mnist_vae.page.report import Run, render_report
from mnist_vae.tracking.run import tracked_run


def main() -> None:
    # The parameters come from the model, except those of the figures.
    origin, figure_params = load_origin(paths.MODEL), load_params(paths.PARAMS).of_figures()
    params = origin.params
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    with tracked_run("render", origin):
        trained, data = load_model(paths.MODEL, device), load_prepared(paths.PREPARED)
        latents, class_names = load_latents(paths.LATENTS), load_class_names(paths.PREPARED)
        numbers = load_numbers(paths.METRICS, paths.CLASSES, class_names)
        model, test_images = trained.autoencoder, place(data.test.images, device)
        pictures = draw_pictures(model, test_images, latents, params.seed, figure_params, class_names)
        save_pictures(pictures, paths.PICTURES, class_names)
        unit = model.likelihood.reconstruction_unit
        subject = Subject(dataset_title(params.dataset), unit, figure_params, class_names)
        epochs = read_epochs(paths.EPOCHS, params.epoch_count)
        course = Course(epochs, read_steps(paths.STEPS, origin.steps))
        paths.FIGURES.mkdir(parents=True, exist_ok=True)
        absences = {}
        for name, figure, absence in draw_gallery(pictures, course, subject):
            if figure is None:
                absences[name] = absence
                print(f"render: no {name}: {absence}")
            else:
                save_png(figure, paths.FIGURES / f"{name}.png")
        if pictures.linear_interpolation is not None:
            frames = grids.animation(pictures.linear_interpolation)
            milliseconds = grids.animation_milliseconds(figure_params.interpolation_steps)
            save_gif(frames, milliseconds, paths.FIGURES / "interpolation.gif")
        model.cpu()
        run = Run(trained, data, latents, numbers, course, pictures, absences, figure_params, class_names)
        write_atomically(render_report(run), paths.REPORT)
    animation = "" if pictures.linear_interpolation is None else " and an animation"
    count = len(list(paths.FIGURES.glob("*.png")))
    print(f"render: {count} figures{animation} in {paths.FIGURES}, the page of the run in {paths.REPORT}")


if __name__ == "__main__":
    run_stage(main)
