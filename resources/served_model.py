"""What MLflow serves of a deployment: pictures in, categories out. MLflow keeps a copy of this file with the model.

It imports nothing of this project but `ml`, of which a copy lies beside it, so that whoever serves it has to install
no more than the model's own requirements.
"""

import base64
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

COVERAGE = 0.9


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A column `picture` of encoded pictures, as bytes or as base64, to a row of answers each."""

    def load_context(self, context: Any) -> None:
        """Load the deployment that was logged with the model."""
        import os

        from ml.deployment.deployment import Deployment
        from ml.deployment.variants import Machine

        machine = Machine(num_threads=os.cpu_count() or 1, batch_size=8)
        self._deployment = Deployment.load(Path(context.artifacts["deployment"]), machine)

    # MLflow would make a signature of type hints; this one's is written where the model is saved.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """A row for each picture; `params` may ask for another coverage than 0.9.

        `category_id` is -1, at depth 0, where nothing can be said so surely: a struct of Spark's holds no missing long.
        """
        from ml.pixels import decode_pixels

        deployment = self._deployment
        pictures = [_bytes(each) for each in model_input["picture"]]
        coverage = float((params or {}).get("coverage", COVERAGE))
        answers = deployment.answer(decode_pixels(pictures, deployment.resolution), coverage)
        return pd.DataFrame(
            {
                "category_id": answers.categories,
                "depth": answers.depths,
                "probability": answers.probabilities,
                "leaf_id": answers.leaves[:, 0],
                "leaf_probability": answers.leaf_probabilities[:, 0],
            }
        )


def _bytes(picture: bytes | str) -> bytes:
    return base64.b64decode(picture) if isinstance(picture, str) else bytes(picture)


mlflow.models.set_model(ServedModel())
