"""Write the tables of all benchmarks into benchmarks/README.md, from the JSON files beside it.

Each benchmark does this at its end. This command does only this.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

_MEGABYTE = 1e6
_FEW_EPOCHS = 1.5


def throughput(result: dict) -> list[str]:
    """Training compared with other implementations and with the machine's peak rates."""
    rows = [
        [
            name,
            _range(row["images_per_second"], ",.0f"),
            _range(row["speed_of_this_project_relative_to_it"], ".2f"),
            _range(row["seconds_of_a_whole_training_at_that_rate"], ",.0f"),
            *(_range(row["whole_training_relative_to"][recipe], ".1f") for recipe in result["recipes"]),
        ]
        for name, row in result["rows"].items()
    ]
    roofline = result["roofline"]
    operations = roofline["floating point operations per image"] / 1e6
    share = _range(roofline["share of the matrix product's rate"], ".0%")
    rates = [[f"{name}, GFLOP/s", _range(rate, ".0f")] for name, rate in roofline["GFLOP/s"].items()]
    repeats = f"{result['repeats']} runs each in turn, median (range)"
    return [
        *_table(
            [
                *(repeats, "images/s", "speed of this project relative to it", "a whole training, s"),
                *(f"relative to that of {recipe}" for recipe in result["recipes"]),
            ],
            rows,
        ),
        "",
        *_table(
            [f"{operations:.1f} MFLOP per image, forward and backward", ""],
            [*rates, ["training, as a share of the matrix product", share]],
        ),
    ]


def step_profile(result: dict) -> list[str]:
    """The parts of a step's time."""
    parts = [[kind, f"{part['milliseconds']:.1f}", f"{part['share']:.0%}"] for kind, part in result["parts"].items()]
    header = f"a step of {result['images_a_step']} images, mean of {result['steps']}"
    return _table([header, "ms", "share"], [*parts, ["**all**", f"**{result['milliseconds_a_step']:.1f}**", ""]])


def pipeline(result: dict) -> list[str]:
    """Seconds and memory of each stage of a first run."""
    parts = ("seconds", "imports", "compute", "tracking", "writing")
    rows = [
        [stage["stage"], *(f"{stage[part]:.1f}" for part in parts), f"{stage['peak_bytes'] / _MEGABYTE:,.0f}"]
        for stage in result["stages"]
    ]
    total, idle = result["seconds of dvc repro in a fresh clone"], result["seconds of dvc repro when nothing changed"]
    others, empty = total - sum(stage["seconds"] for stage in result["stages"]), [""] * len(parts)
    rows += [
        ["DVC, and starting Python", f"{others:.1f}", *empty],
        ["**`dvc repro` in a fresh clone**", f"**{total:.1f}**", *empty],
        ["`dvc repro` when nothing changed", f"{min(idle):.1f}", *empty],
    ]
    return _table(["", *parts, "peak MB"], rows)


def tracking(result: dict) -> list[str]:
    """The time that tracking adds."""
    share = result["median share of that"]
    rows = [[name, _range(added, ".1f"), f"{share[name]:.1%}"] for name, added in result["seconds added"].items()]
    turns = len(result["seconds of the stages that track"]["without"])
    return _table([f"{turns} turns, median (range)", "seconds added", "share of a default run"], rows)


def reliability(result: dict) -> list[str]:
    """The time that checkpoints add."""
    each, share = result["milliseconds of each"], result["share of the training's time"]
    cost = f"{each['median']:.0f} ms ({each['max']:.0f} ms)"
    return _table(["a checkpoint, median (longest)", "share of the training's time"], [[cost, f"{share:.2%}"]])


def scaling(result: dict) -> list[str]:
    """Time and memory of each stage at each size."""
    growth = result["against the number of images"]
    rows = [
        [
            f"{point['name']}: {point['train_size']:,} + {point['test_size']:,} images"
            if not point["params"]
            else point["name"],
            *(
                f"{cost['seconds']:.1f} s, {cost['peak_bytes'] / _MEGABYTE:,.0f} MB"
                for cost in point["stages"].values()
            ),
        ]
        for point in result["points"]
    ]
    slopes = ["none" if one["slope"] is None else f"{one['slope']:.2f}" for one in growth.values()]
    per_image = [f"{one['microseconds_per_image']:.0f} µs" for one in growth.values()]
    memory = [f"{one['bytes_per_byte_of_data_and_latents']:.2f}" for one in growth.values()]
    rows += [
        ["growth of the time with the images: log–log slope, without the fixed cost", *slopes],
        ["time per additional image", *per_image],
        ["memory per additional byte of uint8 data (evaluate, render: of data and latents)", *memory],
    ]
    return ["![Time and memory of each stage](scaling.png)", "", *_table([f"{result['epochs']} epoch", *growth], rows)]


def rounding(result: dict) -> list[str]:
    """How much the results change."""
    rows = [
        [name, f"{row['largest of all']:.2%}", f"{row['largest of a class']:.2%}"]
        for name, row in result["variants"].items()
    ]
    return _table(["what is changed", "largest change of a mean over the test set", "of a mean over a class"], rows)


def quality(result: dict) -> list[str]:
    """The loss on the test images, and the seconds to it."""
    rows = [
        [
            name,
            f"{row['mean test loss']:.5f}",
            ", ".join(f"{loss:.5f}" for loss in row["test loss by seed"]),
            _range(row["seconds"], ".1f"),
        ]
        for name, row in result["rows"].items()
    ]
    return _table(
        ["", "mean test loss", "of each seed", f"seconds of {result['seeds']} trainings, median (range)"], rows
    )


def recipe_search(result: dict) -> list[str]:
    """Of each kind of recipe the lowest validation loss and the fewest seconds to the target; repeats of the best."""
    kinds: dict[str, list[dict]] = {"the preset conv-fast, the first trial": result["trials"][:1]}
    for trial in result["trials"][1:]:
        recipe = trial["recipe"]
        epochs = f"{'1 to' if recipe['epochs'] <= _FEW_EPOCHS else 'more than'} {_FEW_EPOCHS} epochs"
        kind = f"{epochs}, {'Muon' if recipe['muon'] else 'Adam'}"
        kinds.setdefault(kind + (", averaged weights" if recipe["average"] else ""), []).append(trial)
    rows = []
    for kind, trials in sorted(kinds.items(), key=lambda item: (item[1] != result["trials"][:1], item[0])):
        best = min(trials, key=lambda trial: trial["validation loss"])
        seconds = [trial["seconds"] for trial in trials if trial["validation loss"] <= result["target"]]
        reached = f"{min(seconds):.1f}" if seconds else "not reached"
        rows.append([kind, str(len(trials)), f"{best['validation loss']:.5f}", f"{best['seconds']:.1f}", reached])
    lowest = "lowest validation loss"
    searched = _table(["", "trials", lowest, "seconds to it", f"fewest seconds to {result['target']}"], rows)
    repeats = [
        [
            ", ".join(f"{name} {_short(value)}" for name, value in trainings[0]["recipe"].items()),
            f"{statistics.mean(training['validation loss'] for training in trainings):.5f}",
            ", ".join(f"{training['seconds']:.1f}" for training in trainings),
        ]
        for trainings in result["repeats"]
    ]
    return [*searched, "", *_table(["trained with several seeds", "mean validation loss", "seconds of each"], repeats)]


def _short(value: float | Sequence[float]) -> str:
    return f"{value:.3g}" if isinstance(value, float | int) else " and ".join(f"{one:.3g}" for one in value)


def neighbour(result: dict) -> list[str]:
    """The seconds of a training in each surroundings, also as multiples of those alone."""
    ways = result["seconds"]
    rows = [
        [
            way,
            *(
                f"{seconds['median']:.1f} ({seconds['min']:.1f}–{seconds['max']:.1f})"
                + ("" if place == "alone" else f", {seconds['median'] / places['alone']['median']:.1f} ×")
                for place, seconds in places.items()
            ),
        ]
        for way, places in ways.items()
    ]
    images = f"{result['images_a_run']:,} images, seconds, median (range)"
    return _table([images, *next(iter(ways.values()))], rows)


TABLES = {
    table.__name__: table
    for table in (
        throughput,
        quality,
        recipe_search,
        neighbour,
        step_profile,
        pipeline,
        tracking,
        reliability,
        scaling,
        rounding,
    )
}


def section(name: str, result: dict) -> str:
    """The commit, the machine and the table of a benchmark's result."""
    return "\n".join([f"Commit {result['commit']}; {result['machine']}.", "", *TABLES[name](result)])


def filled_in(readme: str, folder: Path) -> str:
    """The README with each benchmark's section between its two markers. Raises ValueError if a marker is missing."""
    for name in TABLES:
        start, end = f"<!-- {name}: written by {name}.py -->\n", f"<!-- end of {name} -->"
        before, _, rest = readme.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"README.md lacks {start}{end}")
        result = json.loads((folder / f"{name}.json").read_text("utf-8"))
        readme = f"{before}{start}{section(name, result)}\n{end}{after}"
    return readme


def write(folder: Path) -> None:
    """Update the README.md in a folder of results."""
    path = folder / "README.md"
    path.write_text(filled_in(path.read_text("utf-8"), folder))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _range(spread: dict, form: str) -> str:
    return f"{spread['median']:{form}} ({spread['min']:{form}}–{spread['max']:{form}})"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    write(Path(__file__).parent)
