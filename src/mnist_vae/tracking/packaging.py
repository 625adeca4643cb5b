"""The model as MLflow keeps it: weights, the code that loads them, what it takes and gives, what must be installed."""

from importlib.metadata import version
from pathlib import Path

from mnist_vae.tracking.entries import EnterModel

# What served_model.py and the modules that it imports need, for `pip install` of what the model says.
_NEEDED = ("jaxtyping", "mlflow", "numpy", "pydantic", "pyyaml", "safetensors", "torch")


def save_pyfunc(entry: EnterModel, run_id: str, model_id: str, folder: Path) -> None:
    """Write the folder that `mlflow.pyfunc.load_model` loads; served_model.py says how to use it."""
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    # Images and codes are both rows of numbers, of as many columns as an image has pixels or a code dimensions.
    rows = Schema([TensorSpec(np.dtype(np.float32), (-1, -1))])
    params = ParamSchema([ParamSpec("method", "string", "reconstruct"), ParamSpec("seed", "long", 0)])
    save_model(
        str(folder),
        loader_module="mnist_vae.tracking.served",
        data_path=str(entry.path),
        code_paths=[str(entry.package)],
        mlflow_model=Model(model_id=model_id, model_uuid=model_id, run_id=run_id),
        signature=ModelSignature(rows, rows, params),
        input_example=np.array(entry.example, np.float32),
        pip_requirements=[f"{name}=={version(name)}" for name in _NEEDED],
    )
