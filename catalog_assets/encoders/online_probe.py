"""Online probe: evaluates an encoder during pretraining; and a check that the saved encoder equals the trained one."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.dataset.splits import in_selection_half

if TYPE_CHECKING:
    import torch

    from ml.pixels import PixelsLike
    from ml.training.online_probe import OnlineProbe
    from ml.training.pretraining import Pretrained

NUM_RELOADED, MAX_DIFFERENCE, MAX_SCORE_DIFFERENCE = 16, 1e-4, 0.005
MIN_PROBED, MAX_PROBED = 40, 2_000  # validation images that select the best epoch


def online_probe(
    rows: pl.DataFrame, pixels: "PixelsLike", folder: Path, device: "torch.device"
) -> "OnlineProbe | None":
    """Returns a probe of nearest-neighbor accuracy: half of its validation images predict the labels of the others.

    No label is used for training. The probe uses the selection half of the groups, `encoder_quality` the other half.
    None where fewer than `MIN_PROBED` images are labeled.
    """
    from ml.embeddings.probes import knn_predictions
    from ml.encoders.encoder import Encoder, embed
    from ml.training.online_probe import OnlineProbe
    from ml.vectors import LabeledEmbeddings

    labeled = rows.with_row_index("position").filter((pl.col("split") == "val") & pl.col("level_4").is_not_null())
    selection = labeled.filter(in_selection_half(labeled["group_id"]))
    if len(selection) < MIN_PROBED:
        return None
    selection = selection.sort("sha256", "product_id").head(MAX_PROBED)
    images, labels = pixels[selection["position"].to_numpy()], selection["level_4"].to_numpy(writable=True)

    def score(encoder: Encoder) -> float:
        vectors = embed(encoder, images, device)
        predicted = knn_predictions(LabeledEmbeddings(vectors[::2], labels[::2]), vectors[1::2], device)
        return float((predicted == labels[1::2]).mean())

    return OnlineProbe(score=score, folder=folder)


def reloads(
    folder: Path, pretrained: "Pretrained", pixels: "PixelsLike", probe: "OnlineProbe | None"
) -> dg.AssetCheckResult:
    """Checks that the saved encoder returns the same embeddings and, where it was probed, the same score."""
    import torch

    from ml.encoders.encoder import Encoder, embed

    cpu, loaded = torch.device("cpu"), Encoder.load(folder)
    side = loaded.resolution
    noise = np.random.default_rng(0).integers(0, 256, (NUM_RELOADED, 3, side, side), dtype=np.uint8)
    images = np.array(pixels[:NUM_RELOADED]) if len(pixels) else noise  # a copy of memory-mapped pixels
    difference = float(np.abs(embed(loaded, images, cpu) - embed(pretrained.encoder, images, cpu)).max())
    trained_score = max(pretrained.scores.values()) if pretrained.scores else None
    score = probe.score(loaded) if probe is not None and pretrained.scores else None
    score_difference = abs(score - trained_score) if score is not None and trained_score is not None else 0.0
    return dg.AssetCheckResult(
        check_name="reloads",
        passed=difference <= MAX_DIFFERENCE and score_difference <= MAX_SCORE_DIFFERENCE,
        description=(
            f"embeddings of {len(images)} images differ by {difference:.2g} at most, the probe's score by "
            f"{score_difference:.2g}; where they differ, the files are not those of the trained encoder: materialize "
            "the encoder again"
        ),
        metadata={"difference": difference, "score": score, "score when trained": trained_score},
    )
