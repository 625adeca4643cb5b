"""Sweeps: which experiments a text asks for, and all of them run by DVC's queue."""

import subprocess
from itertools import product
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

import sweep
from builders import TINY
from dvc_queue import hold_queue
from mnist_vae.console.stage import UserError
from working_copy import WorkingCopy


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path


def test_sweep_is_every_combination_exactly_once(root: Path) -> None:
    points = sweep.grid(sweep.parse_sweep("kl_weight=0.01,0.1,1  latent_dim=2,3 free_nats=0,0.5"), root)
    found = [tuple(point.changes[key] for key in ("kl_weight", "latent_dim", "free_nats")) for point in points]
    assert len(found) == 12
    assert set(found) == {(a, b, c) for a in (0.01, 0.1, 1) for b in (2, 3) for c in (0, 0.5)}
    for point in points:
        for key, value in point.changes.items():
            assert getattr(point.params, key) == value
        assert point.params.batch_size == TINY["batch_size"]


def test_names_say_the_values_and_are_names_to_git(root: Path) -> None:
    text = "adam_betas=[0.5, 0.999],[0.9,0.99] network=mlp mlp_widths=[16],[16, 8] reconstruction=bernoulli"
    names = [point.name for point in sweep.grid(sweep.parse_sweep(text), root)]
    assert names[0] == "sweep-adam_betas-0.5-0.999-network-mlp-mlp_widths-16-reconstruction-bernoulli"
    assert len(set(names)) == 4
    for name in names:
        subprocess.run(["git", "check-ref-format", f"refs/exps/12/34/{name}"], check=True)
    (point,) = sweep.grid(sweep.parse_sweep("kl_weight=0.1 latent_dim=16"), root)
    assert point.name == "sweep-kl_weight-0.1-latent_dim-16"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs KEY=VALUE,VALUE"),
        ("kl_weight", "needs KEY=VALUE,VALUE"),
        ("kl_weight=", "needs KEY=VALUE,VALUE"),
        ("mlp_widths=[512", "needs KEY=VALUE,VALUE"),
        ("kl_weight=1 kl_weight=2", "names kl_weight twice"),
        ("kl_weight=1,2,1.0", "kl_weight = 1 twice"),
        ("kl_wieght=1", "SWEEP: kl_wieght .* is no parameter"),
        ("latent_dim=2,0", "SWEEP: latent_dim is 0, but must be"),
        ("latent_dim=2,2.5", "SWEEP: latent_dim is 2.5, but must be"),
        ("variational=true,false", "kl_weight is .*, but must be 0"),
        ("learning_rate=1e-3", "write 0.001"),
        ("learning_rate=0.00001", "learning_rate is 1e-05, which DVC cannot hand on"),
    ],
)
def test_wrong_sweep_is_refused_in_a_line_and_queues_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    monkeypatch.setattr(sweep, "run_missing", lambda *_: pytest.fail("something was queued"))
    with pytest.raises(UserError, match=complaint) as caught:
        sweep.main(text, "1", root)
    assert "\n" not in str(caught.value)


def test_queue_is_filled_by_one_process_at_a_time(tmp_path: Path) -> None:
    with hold_queue(tmp_path), pytest.raises(UserError, match="works here: wait for it"), hold_queue(tmp_path):
        pass
    (lock,) = (tmp_path / ".dvc" / "tmp").glob("*.lock")
    with FileLock(lock, timeout=0):  # it was let go
        pass


def test_sweep_ends_with_a_table_of_what_each_experiment_reached(reproduced: WorkingCopy, tmp_path: Path) -> None:
    clone = reproduced.copied_to(tmp_path / "clone")
    params = (clone.folder / "params.yaml").read_bytes()
    wrong = clone.run("python", "tools/sweep.py", "kl_weight=0.25,x", "2", PYTHONPATH="src")
    assert (wrong.returncode, wrong.stdout.count("\n")) == (1, 1)
    assert wrong.stdout.startswith("sweep: SWEEP: kl_weight is 'x', but must be")
    assert "No experiment tasks" in clone.succeed("dvc", "queue", "status")

    command = ("python", "tools/sweep.py", "kl_weight=0.25,0.5 latent_dim=4", "2")
    printed = clone.succeed(*command, PYTHONPATH="src")
    assert (clone.folder / "params.yaml").read_bytes() == params
    table = [line.split() for line in printed.splitlines()[-3:]]
    assert table[0][1:] == [
        "kl_weight",
        "latent_dim",
        "validation_distortion_per_image",
        "validation_kl_nats_per_image",
    ]
    head = clone.succeed("git", "rev-parse", "HEAD").strip()
    for (kl_weight, latent_dim), line in zip(product([0.25, 0.5], [4]), table[1:], strict=True):
        name = f"sweep-kl_weight-{kl_weight}-latent_dim-{latent_dim}"
        commit = f"refs/exps/{head[:2]}/{head[2:]}/{name}"
        epochs = clone.succeed("git", "show", f"{commit}:reports/history/epochs.csv").splitlines()
        last = dict(zip(epochs[0].split(","), epochs[-1].split(","), strict=True))
        numbers = [f"{float(last[column]):.4g}" for column in table[0][3:]]
        assert line == [name, str(kl_weight), str(latent_dim), *numbers]
        values = yaml.safe_load(clone.succeed("git", "show", f"{commit}:params.yaml"))
        assert (values["kl_weight"], values["latent_dim"]) == (kl_weight, latent_dim)
    # All is done: nothing is run again.
    again = clone.succeed(*command, PYTHONPATH="src")
    assert again.split() == [word for line in table for word in line]
