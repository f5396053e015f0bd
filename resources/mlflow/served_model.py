"""The served model: a deployment as an MLflow Python model. MLflow keeps a copy of this file with the model.

It imports nothing of this project but `ml` and `catalog.images`, of which copies lie beside it, so serving it takes no
more than the model's own requirements. An image is decoded as the download has decoded the images of the training: by
the same function, under the same limits, in processes that no image can harm, so it has the same pixels.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

COVERAGE = 0.9
OK = "ok"


class ServedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Predicts a row for each image of the column `image`, encoded as bytes or as base64."""

    def load_context(self, context: Any) -> None:
        """Load the deployment that was logged with the model; decoders start with the first image."""
        from catalog.images.decoder_pool import DecoderPool
        from catalog.images.stored_image import ImageRules
        from catalog.storage.cores import num_cores
        from ml.deployment.deployment import Deployment
        from ml.deployment.variants import Machine

        self._num_cores = num_cores()
        machine = Machine(num_threads=self._num_cores, batch_size=8)
        self._deployment = Deployment.load(Path(context.artifacts["deployment"]), machine)
        self._decoders = DecoderPool(ImageRules(**self._deployment.facts.get("image_rules", {})), self._num_cores)

    # Without type hints, from which MLflow would infer a signature; it is written where the model is saved.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Predict a row for each image; `params` may set another `coverage` than 0.9.

        `status` is `ok`, or the reason why an image is not predicted: `corrupt`, `not_an_image`, `single_color`,
        `too_large`, `too_small`, or `timeout` where the machine stalled. Such a row has no category: -1, at depth 0,
        as where no category reaches the coverage, and -1 as its leaf; a struct in Spark has no missing long.
        """
        coverage = float((params or {}).get("coverage", COVERAGE))
        statuses, pixels = self.decode(list(model_input["image"]))
        is_ok = np.array([status == OK for status in statuses], dtype=bool)
        rows = pd.DataFrame(
            {
                "category_id": np.full(len(statuses), -1, dtype=np.int64),
                "depth": np.zeros(len(statuses), dtype=np.int64),
                "probability": np.zeros(len(statuses)),
                "leaf_id": np.full(len(statuses), -1, dtype=np.int64),
                "leaf_probability": np.zeros(len(statuses)),
                "status": pd.Series(statuses, dtype=object),
            }
        )
        if is_ok.any():
            predictions = self._deployment.predict(pixels, coverage)
            rows.loc[is_ok, "category_id"] = predictions.categories.astype(np.int64)
            rows.loc[is_ok, "depth"] = predictions.depths.astype(np.int64)
            rows.loc[is_ok, "probability"] = predictions.probabilities.astype(np.float64)
            rows.loc[is_ok, "leaf_id"] = predictions.leaves[:, 0].astype(np.int64)
            rows.loc[is_ok, "leaf_probability"] = predictions.leaf_probabilities[:, 0].astype(np.float64)
        return rows

    def decode(self, images: Sequence[Any]) -> tuple[list[str], Any]:
        """Return each image's status, and the pixels (num_ok, 3, resolution, resolution) of those that are `ok`."""
        from catalog.images.stored_image import StoredImage
        from ml.pixels import decode_pixels

        decoded = self._decoders.decode([_bytes(each) for each in images])
        stored = [each.data for each in decoded if isinstance(each, StoredImage)]
        statuses = [OK if isinstance(each, StoredImage) else str(each) for each in decoded]
        deployment = self._deployment
        return statuses, decode_pixels(stored, deployment.resolution, self._num_cores, fit=deployment.fit)


def _bytes(image: Any) -> bytes:
    """The bytes of an image; none, which are not an image, where a row has anything else than bytes or base64."""
    try:
        return base64.b64decode(image) if isinstance(image, str) else bytes(memoryview(image))
    except (TypeError, ValueError, binascii.Error):
        return b""


mlflow.models.set_model(ServedModel())
