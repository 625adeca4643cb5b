"""What MLflow's page of the experiment says, and which columns its table of runs has under the key of a shared view."""

import json
from functools import partial
from typing import TYPE_CHECKING

from mnist_vae.tracking.second_try import second_try

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

VIEW = "overview"
_NOTE = "Each run is one execution of the pipeline. `make runs` shows them beside DVC's experiments."
_COLUMNS = {
    "attributes": ["Created", "Duration"],
    "metrics": ["test/mse_per_pixel_minus1_to_1", "test/kl_nats_per_image", "test/elbo_nats_per_image"],
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


def furnish(client: "MlflowClient", experiment: "Experiment") -> None:
    """Give the experiment's page what it lacks of that; what somebody wrote there stays."""
    columns = [f"{kind}.`{name}`" for kind, names in _COLUMNS.items() for name in names]
    wanted = {
        "mlflow.note.content": _NOTE,
        f"mlflow.sharedViewState.{VIEW}": json.dumps(_SEARCH | _TABLE | {"selectedColumns": columns}),
    }
    for name, value in wanted.items():
        if name not in experiment.tags:
            second_try(partial(client.set_experiment_tag, experiment.experiment_id, name, value))
