"""The texts on MLflow's pages: the description of a run, and the note and the table columns of the experiment."""

import json
from typing import TYPE_CHECKING

from mnist_vae.common import paths

if TYPE_CHECKING:
    from mlflow import MlflowClient

VIEW = "overview"
OWN_EXPERIMENT = "mnist_vae"  # a tag by which the experiment is found again after somebody renamed it
_NOTE = "Each run is one execution of the pipeline. The tag dvc_experiment names the DVC experiment that it belongs to."
_COLUMNS = {
    "attributes": ["Created", "Duration"],
    "metrics": ["test/mse_minus1_to_1", "test/kl_nats", "test/elbo_nats"],
    "params": ["kl_weight", "network", "latent_dim", "seed"],
}
# MLflow's page has no defaults for fields that a shared view leaves out.
_TABLE = {
    "columnOrder": [],
    "columnWidths": {},
    "runsExpanded": {},
    "runsPinned": [],
    "runsHidden": [],
    "runsVisibilityMap": {},
    "runsHiddenMode": "FIRST_10_RUNS",
    "viewMaximized": False,
    "runListHidden": False,
    "isAccordionReordered": False,
    "useGroupedValuesInCharts": True,
    "hideEmptyCharts": True,
    "groupBy": None,
    "groupsExpanded": {},
    "autoRefreshEnabled": True,
    "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
}
_SEARCH = {
    "searchFilter": "",
    "orderByKey": "attributes.start_time",
    "orderByAsc": False,
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
}
# The tags of the experiment: its note, and the view of its table with the key VIEW.
EXPERIMENT_TAGS = {
    "mlflow.note.content": _NOTE,
    f"mlflow.sharedViewState.{VIEW}": json.dumps(
        _SEARCH
        | _TABLE
        | {"selectedColumns": [f"{kind}.`{name}`" for kind, names in _COLUMNS.items() for name in names]}
    ),
}
_NUMBERS = {
    "test/mse_minus1_to_1": "MSE {:.4g} per pixel on [-1, 1]",
    "test/kl_nats": "KL {:.4g} nats",
    "test/elbo_nats": "ELBO {:.4g} nats",
    "test/nll_nats": "NLL {:.2f} nats",
    "test/active_dimensions": "{:.0f} active dimensions",
}
_PICTURES = ("class_means.png", "reconstructions.png", "samples.png", "interpolation.gif")


def describe(client: "MlflowClient", run_id: str) -> None:
    """Write the run's description in Markdown: its numbers first, because MLflow shows few lines, then its pictures."""
    run = client.get_run(run_id)
    metrics, params, tags = run.data.metrics, run.data.params, run.data.tags
    numbers = [text.format(metrics[name]) for name, text in _NUMBERS.items() if name in metrics]
    what = f"{params['network']} on {params['dataset']}, {params['image_size']}×{params['image_size']}"
    parts = [f"**{' · '.join(numbers)}**"] if numbers else []
    parts.append(f"{what}, {params['epochs']} epochs, kl_weight {params['kl_weight']}, seed {params['seed']}")
    if "dvc_apply" in tags:
        parts.append(f"`{tags['dvc_apply']}` brings it back")
    # As MLflow's page asks for its own files, whatever server it comes from.
    place = f"get-artifact?run_uuid={run_id}&path="
    if any(file.path == paths.REPORT.name for file in client.list_artifacts(run_id)):
        parts.append(f"Among the artifacts, or [here]({place}{paths.REPORT.name}): the page of this run, to explore it")
    figures = {file.path for file in client.list_artifacts(run_id, "figures")}
    parts += [f"![{name}]({place}figures/{name})" for name in _PICTURES if f"figures/{name}" in figures]
    client.set_tag(run_id, "mlflow.note.content", "\n\n".join(parts))
