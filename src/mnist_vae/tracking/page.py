"""What MLflow's pages say: of a run its numbers and pictures, of the experiment a note and the columns of its table."""

import json
from typing import TYPE_CHECKING

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
# The page has no defaults for what a shared view leaves out.
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
# The experiment's own tags; the last one is the view of the table that has the key VIEW.
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
    """Let the run's description tell what it has by now, in Markdown. Its numbers come first: few lines are shown."""
    run = client.get_run(run_id)
    metrics, params, tags = run.data.metrics, run.data.params, run.data.tags
    numbers = [text.format(metrics[name]) for name, text in _NUMBERS.items() if name in metrics]
    what = f"{params['network']} on {params['dataset']}, {params['image_size']}×{params['image_size']}"
    parts = [f"**{' · '.join(numbers)}**"] if numbers else []
    parts.append(f"{what}, {params['epochs']} epochs, kl_weight {params['kl_weight']}, seed {params['seed']}")
    if "dvc_apply" in tags:
        parts.append(f"`{tags['dvc_apply']}` brings it back")
    figures = {file.path for file in client.list_artifacts(run_id, "figures")}
    # As the page's own pictures are asked for, whatever server it comes from.
    place = f"get-artifact?run_uuid={run_id}&path=figures/"
    parts += [f"![{name}]({place}{name})" for name in _PICTURES if f"figures/{name}" in figures]
    client.set_tag(run_id, "mlflow.note.content", "\n\n".join(parts))
