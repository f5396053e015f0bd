"""An encoder under watch: the probe that looks at it while it learns, and the check that what was saved is it."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog.splits import are_choosing

if TYPE_CHECKING:
    import torch

    from ml.pixels import PixelRows
    from ml.training.best import OnlineProbe
    from ml.training.pretraining import Pretrained

NUM_RELOADED, MAX_DIFFERENCE, MAX_SCORE_OFF = 16, 1e-4, 0.005
MIN_PROBED, MAX_PROBED = 40, 2_000  # validation pictures that tell, on the way, which epoch is the best


def online_probe(rows: pl.DataFrame, pixels: "PixelRows", folder: Path, device: "torch.device") -> "OnlineProbe | None":
    """The accuracy of nearest neighbours among validation pictures, half of them the neighbours; no label trains.

    Those of the groups that choose: `encoder_quality` judges by the others. None where fewer than `MIN_PROBED` of them
    are labelled.
    """
    from ml.encoders import Encoder, embed
    from ml.probes import knn_predictions
    from ml.training.best import OnlineProbe
    from ml.vectors import Labelled

    labelled = rows.with_row_index("place").filter((pl.col("split") == "val") & pl.col("level_4").is_not_null())
    judging = labelled.filter(are_choosing(labelled["group_id"]))
    if len(judging) < MIN_PROBED:
        return None
    judging = judging.sort("sha256", "product_id").head(MAX_PROBED)
    chosen, labels = pixels[judging["place"].to_numpy()], judging["level_4"].to_numpy(writable=True)

    def score(encoder: Encoder) -> float:
        vectors = embed(encoder, chosen, device)
        predicted = knn_predictions(Labelled(vectors[::2], labels[::2]), vectors[1::2], device)
        return float((predicted == labels[1::2]).mean())

    return OnlineProbe(score=score, folder=folder)


def reloads(folder: Path, made: "Pretrained", pixels: "PixelRows", probe: "OnlineProbe | None") -> dg.AssetCheckResult:
    """Whether the saved encoder gives the same embeddings and, where it was probed, the same score."""
    import torch

    from ml.encoders import Encoder, embed

    cpu, again = torch.device("cpu"), Encoder.load(folder)
    side = again.resolution
    drawn = np.random.default_rng(0).integers(0, 256, (NUM_RELOADED, 3, side, side), dtype=np.uint8)
    shown = np.array(pixels[:NUM_RELOADED]) if len(pixels) else drawn  # of its own, where the others are mapped
    difference = float(np.abs(embed(again, shown, cpu) - embed(made.encoder, shown, cpu)).max())
    known = max(made.scores.values()) if made.scores else None
    score = probe.score(again) if probe is not None and made.scores else None
    off = abs(score - known) if score is not None and known is not None else 0.0
    return dg.AssetCheckResult(
        check_name="reloads",
        passed=difference <= MAX_DIFFERENCE and off <= MAX_SCORE_OFF,
        description=(
            f"embeddings of {len(shown)} pictures differ by {difference:.2g} at most, the probe's score by {off:.2g}; "
            "where they differ the files are not what was trained: materialise the encoder again"
        ),
        metadata={"difference": difference, "score": score, "score when trained": known},
    )
