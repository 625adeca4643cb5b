"""Train the model, and keep its weights and the history of its training."""

from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.console.stage import repository_root, run_stage
from mnist_vae.tracking.recorder_process import RecorderProcess
from mnist_vae.training.launcher import in_ranks, require_ranks
from mnist_vae.training.rank_process import is_follower


@in_ranks
def main() -> None:
    if is_follower():
        _train(None)
        return
    # The recorder first: it imports MLflow while this process imports torch, which takes as long.
    with RecorderProcess(repository_root(Path.cwd()), "train") as recorder:
        _train(recorder)


def _train(recorder: RecorderProcess | None) -> None:
    from mnist_vae.common.params import load_params

    params = load_params(paths.PARAMS).of_model()
    require_ranks(params.processes)

    from mnist_vae.common.precision import is_emulated
    from mnist_vae.data.environment import find_environment, save_environment
    from mnist_vae.data.history import EpochRow, StepRow, write_history
    from mnist_vae.model.file import TrainedModel, save_model
    from mnist_vae.tracking.run import track_training_run
    from mnist_vae.training.checkpoint import Checkpoint
    from mnist_vae.training.session import gather_ingredients, run_session

    device, ranks, prepared, origin = ingredients = gather_ingredients(params, paths.PREPARED)
    if recorder is None:  # the first rank does all but the computing
        with ranks.together():
            ingredients.begin().follow()
        return
    environment = find_environment(device)
    beside = f", {params.processes} processes" if params.processes > 1 else ""
    print(f"train: on {environment}{beside}", flush=True)
    if is_emulated(params.precision, device):
        print("train: this processor has no bfloat16, so that is slower here than float32", flush=True)
    with (
        Checkpoint(recorder.root / "checkpoints", origin.fingerprint) as checkpoint,
        track_training_run(recorder, origin, environment) as run,
        ranks.together(),
    ):
        training = ingredients.begin()
        histories = run_session(training, checkpoint, run)
        save_model(TrainedModel(training.model, origin), paths.MODEL)
        save_environment(environment, paths.ENVIRONMENT)
        run.log_model(paths.MODEL, prepared.validation)
        write_history([history.epoch for history in histories], EpochRow._fields, paths.EPOCHS)
        write_history([step for history in histories for step in history.steps], StepRow._fields, paths.STEPS)
        run.log_artifacts("history", paths.EPOCHS, paths.STEPS)
        run.log_artifacts("", paths.ENVIRONMENT)
        checkpoint.remove()


if __name__ == "__main__":
    run_stage(main)
