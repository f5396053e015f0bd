"""lightly's tutorial on SimCLR, a step or two: python -m tests.ml.lightly_simclr CHECKPOINT EXPECTED RESOLUTION.

Writes what its trainer saves, and as safetensors some pictures and the features that the backbone has of them.
"""

import sys
import warnings

import pytorch_lightning
import torch
import torchvision
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from safetensors.torch import save_file
from torch import Tensor, nn


class SimCLR(pytorch_lightning.LightningModule):
    """As the tutorial has it, on torchvision's resnet18."""

    def __init__(self) -> None:
        super().__init__()
        network = torchvision.models.resnet18()
        self.backbone = nn.Sequential(*list(network.children())[:-1])
        self.projection_head = SimCLRProjectionHead(512, 32, 16)
        self.criterion = NTXentLoss()

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        first, second = (self.projection_head(self.backbone(view).flatten(start_dim=1)) for view in batch)
        loss: Tensor = self.criterion(first, second)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.06)


def main(checkpoint: str, expected: str, resolution: int) -> None:
    """Train on noise, save."""
    warnings.simplefilter("ignore")  # Lightning's own, about workers and loggers
    views = [torch.rand(8, 3, resolution, resolution) for _ in range(2)]
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*views), batch_size=4)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pytorch_lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
    model = SimCLR()
    trainer.fit(model, loader)
    trainer.save_checkpoint(checkpoint)
    pictures = torch.rand(2, 3, resolution, resolution)
    with torch.no_grad():
        save_file({"pictures": pictures, "features": model.eval().backbone(pictures).flatten(1)}, expected)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
