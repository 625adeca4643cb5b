"""Draw DVC's charts and pictures on one page that works offline: dvc_plots/index.html."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from command import ROOT, run_command

from mnist_vae.console.stage import UserError

FOLDER = Path("dvc_plots")
# The newest version of Vega-Lite 5. DVC writes its charts for version 5.
_VEGA_LITE = "5.21"
# DVC calls vegaEmbed without options. These options draw SVG, which stays sharp, and remove the link to Vega's editor,
# which is a page on the web.
_SNIPPET = """
window.vegaEmbed = (place, chart) => vegaEmbed(place, chart, {renderer: "svg", actions: {editor: false}});
"""
# DVC replaces {plot_divs} by the charts and pictures. This page has no {scripts}, which DVC would replace by addresses
# on the web. The style puts the pictures of several revisions side by side, even if they are large.
_BEFORE_SCRIPT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>mnist-vae: charts and pictures</title>
<style>
body { font-family: sans-serif; }
img { max-width: 45vw; }
div:only-of-type > img { max-width: 94vw; }
</style>
<script>
"""
_AFTER_SCRIPT = """
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page_template() -> str:
    """The template that DVC fills in. It contains Vega, Vega-Lite and vega-embed."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(_SNIPPET, vl_version=_VEGA_LITE)
    # The bundle is in a function of its own, so that its names cannot collide with those of DVC's scripts.
    return f"{_BEFORE_SCRIPT}(() => {{{bundle}}})();{_AFTER_SCRIPT}"


def draw(revisions: list[str], root: Path) -> Path:
    """Write the page and return its path.

    Several revisions are compared with each other, and one with the workspace. Without revisions, the page shows the
    workspace. Raises UserError for an unknown revision, and if there is nothing to draw.
    """
    what = ["diff", "--", *revisions] if revisions else ["show"]
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.html"
        template.write_text(page_template(), encoding="utf-8")
        options = ["--html-template", str(template), "--out", str(FOLDER)]
        command = ["dvc", "plots", what[0], *options, *what[1:]]
        done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=False)
    complaint = " ".join(done.stderr.split())
    if done.returncode or "file://" not in done.stdout:
        raise UserError(f"nothing is drawn: {complaint.removeprefix('ERROR: ') or 'there are no results'}")
    if complaint:
        print(f"plots: {complaint}", file=sys.stderr)
    return root / FOLDER / "index.html"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "revisions", nargs="*", help="commits and experiments to show side by side (default: the workspace)"
    )
    print(f"plots: {draw(parser.parse_args().revisions, ROOT)}")


if __name__ == "__main__":
    run_command(main)
