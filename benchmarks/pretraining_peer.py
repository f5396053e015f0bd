"""lightly's side of the pretraining benchmark: its transforms, heads and losses, combined as in its examples.

python -m benchmarks.pretraining_peer METHOD BACKBONE FOLDER NUM_WORKERS OUTPUT.json
"""

import copy
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from lightly.data import LightlyDataset
from lightly.loss import NegativeCosineSimilarity, NTXentLoss, SwaVLoss
from lightly.models.modules.heads import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    SimCLRProjectionHead,
    SwaVProjectionHead,
    SwaVPrototypes,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import BYOLTransform, SimCLRTransform, SwaVTransform
from lightly.transforms.byol_transform import BYOLView1Transform, BYOLView2Transform
from torch import Tensor, nn

from benchmarks.pretraining_recipes import BATCH, LOCAL_RESOLUTION, NUM_LOCAL, OPTIONS, RESOLUTION

Views = Sequence[Tensor]


def simclr(backbone: nn.Module, dim: int) -> tuple[nn.Module, Callable[[Views], Tensor]]:
    """Returns the trainable modules of SimCLR and its loss of a batch's views."""
    options: Any = OPTIONS["simclr"]
    head = SimCLRProjectionHead(dim, options["hidden_dim"], options["projection_dim"])
    loss = NTXentLoss(options["temperature"])
    return nn.ModuleList([backbone, head]), lambda views: loss(*(head(backbone(view)) for view in views))


def byol(backbone: nn.Module, dim: int) -> tuple[nn.Module, Callable[[Views], Tensor]]:
    """Returns the trainable modules of BYOL and its loss of a batch's views."""
    options: Any = OPTIONS["byol"]
    hidden, out = options["hidden_dim"], options["projection_dim"]
    projector, predictor = BYOLProjectionHead(dim, hidden, out), BYOLPredictionHead(out, hidden, out)
    momentum_backbone, momentum_projector = copy.deepcopy(backbone), copy.deepcopy(projector)
    deactivate_requires_grad(momentum_backbone)
    deactivate_requires_grad(momentum_projector)
    loss = NegativeCosineSimilarity()

    def step(views: Views) -> Tensor:
        update_momentum(backbone, momentum_backbone, m=0.99)
        update_momentum(projector, momentum_projector, m=0.99)
        p = [predictor(projector(backbone(view))) for view in views]
        with torch.no_grad():
            z = [momentum_projector(momentum_backbone(view)) for view in views]
        return 0.5 * (loss(p[0], z[1]) + loss(p[1], z[0]))

    return nn.ModuleList([backbone, projector, predictor]), step


def swav(backbone: nn.Module, dim: int) -> tuple[nn.Module, Callable[[Views], Tensor]]:
    """Returns the trainable modules of SwAV and its loss of a batch's views."""
    options: Any = OPTIONS["swav"]
    projector = SwaVProjectionHead(dim, options["hidden_dim"], options["projection_dim"])
    prototypes = SwaVPrototypes(options["projection_dim"], n_prototypes=options["num_prototypes"])
    loss = SwaVLoss()

    def step(views: Views) -> Tensor:
        prototypes.normalize()
        features = [nn.functional.normalize(projector(backbone(view)), dim=1) for view in views]
        scores = [prototypes(each) for each in features]
        return loss(scores[:2], scores[2:])

    return nn.ModuleList([backbone, projector, prototypes]), step


METHODS = {"simclr": simclr, "byol": byol, "swav": swav}


def transform(method: str) -> Any:
    """Returns lightly's transform for the method."""
    if method == "byol":
        return BYOLTransform(BYOLView1Transform(input_size=RESOLUTION), BYOLView2Transform(input_size=RESOLUTION))
    if method == "swav":
        return SwaVTransform(crop_sizes=(RESOLUTION, LOCAL_RESOLUTION), crop_counts=(2, NUM_LOCAL))
    return SimCLRTransform(input_size=RESOLUTION)


def main(method: str, name: str, folder: str, num_workers: int, output: Path) -> None:
    """Writes the images per second of the second epoch."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    dataset = LightlyDataset(folder, transform=transform(method))
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )
    backbone = timm.create_model(name, num_classes=0)
    dim = backbone(torch.zeros(2, 3, RESOLUTION, RESOLUTION)).shape[1]
    module, loss_of = METHODS[method](backbone, dim)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    module.train()
    for _ in range(2):
        started, num_images = time.perf_counter(), 0
        for views, _, _ in loader:
            loss = loss_of(views)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            num_images += len(views[0])
        rate = num_images / (time.perf_counter() - started)
    output.write_text(json.dumps({"rate": rate}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
