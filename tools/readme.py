"""Put the tables of results, of reliability, of speed, of growth and of parameters into README.md."""

from pathlib import Path

from growth_table import growth_table
from presets import ROOT
from reliability_tables import costs_table, failures_table, rounding_table, torture_table
from speed_tables import pipeline_table, roofline_table, speed_table, step_table, tracking_table
from tables import classes_table, comparison_table, parameters_table, presets_table, results_table

TABLES = {
    "results": results_table,
    "classes": classes_table,
    "presets": presets_table,
    "comparison": comparison_table,
    "rounding": rounding_table,
    "torture": torture_table,
    "failures": failures_table,
    "costs": costs_table,
    "speed": speed_table,
    "roofline": roofline_table,
    "step": step_table,
    "pipeline": pipeline_table,
    "tracking": tracking_table,
    "growth": growth_table,
    "parameters": parameters_table,
}


def filled_in(readme: str, root: Path) -> str:
    """The README with each table put between its two markers."""
    for name, table in TABLES.items():
        start, end = f"<!-- {name}: written by `make readme` -->", f"<!-- end of {name} -->"
        before, _, rest = readme.partition(start)
        old, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"README.md has no {start} … {end}")
        del old
        readme = f"{before}{start}\n{table(root)}\n{end}{after}"
    return readme


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(filled_in(path.read_text(), ROOT))
