"""The served model: a deployment as an MLflow Python model. MLflow keeps a copy of this file with the model.

It imports nothing of this project but `ml`, of which a copy lies beside it, so serving it takes no more than the
model's own requirements.
"""

import base64
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

COVERAGE = 0.9


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Predicts a row for each image of the column `image`, encoded as bytes or as base64."""

    def load_context(self, context: Any) -> None:
        """Load the deployment that was logged with the model."""
        import os

        from ml.deployment.deployment import Deployment
        from ml.deployment.variants import Machine

        machine = Machine(num_threads=os.cpu_count() or 1, batch_size=8)
        self._deployment = Deployment.load(Path(context.artifacts["deployment"]), machine)

    # Without type hints, from which MLflow would infer a signature; it is written where the model is saved.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Predict a row for each image; `params` may set another `coverage` than 0.9.

        `category_id` is -1, at depth 0, where no category reaches the coverage: a struct in Spark has no missing long.
        """
        from ml.pixels import decode_pixels

        deployment = self._deployment
        images = [_bytes(each) for each in model_input["image"]]
        coverage = float((params or {}).get("coverage", COVERAGE))
        predictions = deployment.predict(decode_pixels(images, deployment.resolution, fit=deployment.fit), coverage)
        return pd.DataFrame(
            {
                "category_id": predictions.categories,
                "depth": predictions.depths,
                "probability": predictions.probabilities,
                "leaf_id": predictions.leaves[:, 0],
                "leaf_probability": predictions.leaf_probabilities[:, 0],
            }
        )


def _bytes(image: bytes | str) -> bytes:
    return base64.b64decode(image) if isinstance(image, str) else bytes(image)


mlflow.models.set_model(ServedModel())
