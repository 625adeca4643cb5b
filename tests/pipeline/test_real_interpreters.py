"""A whole run and an experiment by the interpreters that people have, and that the preloaded ones give the same."""

from mlflow import MlflowClient

from tracked_stages import contents
from working_copy import WorkingCopy


def _runs(copy: WorkingCopy) -> list[dict]:
    """What the runs hold, but for the names of their data's commit."""
    return contents(MlflowClient(f"sqlite:///{copy.folder}/mlflow.db"))


def test_preloaded_interpreters_give_the_bytes_and_the_runs_of_real_ones(
    clone: WorkingCopy, reproduced: WorkingCopy, with_experiment: WorkingCopy
) -> None:
    clone.use_real_interpreters()
    clone.give_environment()
    printed = clone.succeed("dvc", "repro", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in printed.splitlines() if line.startswith("import time:")}
    assert {"mlflow", "seaborn", "torch"} <= imported
    # They take a second or more, and no stage needs them by default.
    assert [
        name for name in ("scipy.stats._stats_py", "sklearn", "torch._dynamo", "torch._inductor") if name in imported
    ] == []
    assert "[W" not in printed  # warnings of torch's C++ code, which the preloaded ones do not show
    assert clone.outputs() == reproduced.outputs()
    assert (clone.folder / "dvc.lock").read_bytes() == (reproduced.folder / "dvc.lock").read_bytes()
    clone.commit()
    clone.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
    assert clone.outputs() == with_experiment.outputs()
    assert [run["points"] for run in _runs(clone)] == [run["points"] for run in _runs(with_experiment)]
    assert [run["files"] for run in _runs(clone)] == [run["files"] for run in _runs(with_experiment)]
