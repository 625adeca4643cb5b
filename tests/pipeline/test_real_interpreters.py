"""A whole run and an experiment by the interpreters that people have, and that the preloaded ones give the same."""

from mlflow import MlflowClient

from tracked_stages import artifact_of, contents
from working_copy import WorkingCopy


def _contents(copy: WorkingCopy) -> list[tuple]:
    """The points and the files of the runs, whose other contents name their data's commit."""
    runs = contents(MlflowClient(f"sqlite:///{copy.folder}/mlflow.db"))
    return [(run["points"], run["files"]) for run in runs]


def test_preloaded_interpreters_give_the_bytes_and_the_runs_of_real_ones_also_in_a_locale_without_utf8(
    clone: WorkingCopy, reproduced: WorkingCopy, with_experiment: WorkingCopy
) -> None:
    clone.use_real_interpreters()
    clone.give_environment()
    (clone.folder / "mlflow.db").unlink()  # the real ones make the store, too
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

    clone.introduce()
    with (clone.folder / "LICENSE").open("ab") as file:
        file.write(b"caf\xe9\n")
    with (clone.folder / "params.yaml").open("ab") as file:
        file.write("# café\n".encode())
    (clone.folder / "résumé.txt").write_bytes(b"\xff")
    clone.environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert "MLflow failed" not in clone.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
    assert clone.outputs() == with_experiment.outputs()
    assert _contents(clone) == _contents(with_experiment)
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    (run,) = client.search_runs(["1"], "params.kl_weight = '0.5'")
    assert run.info.status == "FINISHED"
    diff = artifact_of(client, run, "uncommitted.diff")
    assert b"+caf\xe9\n" in diff
    assert "+# café\n".encode() in diff
    assert "sync: experiment half is in run " in clone.succeed("python", "tools/sync.py")
