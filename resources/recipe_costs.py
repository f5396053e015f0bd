"""Recipe costs: the size of backbones, and their measured or estimated seconds per image on this machine's device.

A file keeps what was computed or measured, for each version of timm, device, backbone and resolution.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upath import UPath

from catalog.storage.files import replace_file

if TYPE_CHECKING:
    import torch

    from ml.network_costs import NetworkCost
    from ml.training.step_timing import StepTime

FILE = "recipe_costs.json"
# A backbone that was not measured is estimated by the one like it here, in proportion to their MACs. Light networks of
# depthwise convolutions take two to three times as long for each; in larger ones dense layers dominate.
DENSE, DEPTHWISE = ("resnet18", 224), ("mobilenetv3_large_100", 224)
MAX_LIGHT_GMACS = 3.0


class RecipeCosts:
    """Costs of backbones on one device.

    Args:
        path: The file that keeps them.
        device: The device that is measured; times of another one do not count.
    """

    def __init__(self, path: Path, device: "torch.device") -> None:
        self._path, self._device = path, device
        self._kept: dict[str, Mapping[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    @property
    def device(self) -> str:
        """The device in words, with the number of threads of a CPU."""
        import torch

        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        return f"{self._device.type}, {torch.get_num_threads()} threads"

    def cost(self, backbone: str, resolution: int) -> "NetworkCost":
        """Returns the parameters and MACs of a backbone.

        Raises:
            ValueError: timm has no such backbone, or it does not accept images of this resolution.
        """
        from ml.network_costs import NetworkCost, network_cost

        def compute() -> dict[str, Any]:
            return asdict(network_cost(backbone, resolution))

        return NetworkCost(**self._keeping(f"timm {version('timm')}: {backbone} at {resolution} px", compute))

    def measured(self, backbone: str, resolution: int) -> "StepTime | None":
        """Returns the kept measurement of a backbone's step, if there is one."""
        from ml.training.step_timing import StepTime

        found = self._kept.get(self._timing(backbone, resolution))
        return None if found is None else StepTime(**found)

    def measure(self, backbone: str, resolution: int) -> "StepTime":
        """Measures a step of a backbone, which takes seconds, unless its measurement is kept."""
        from ml.training.step_timing import StepTime, time_step

        def compute() -> dict[str, Any]:
            return asdict(time_step(backbone, resolution, self.cost(backbone, resolution).gmacs, self._device))

        return StepTime(**self._keeping(self._timing(backbone, resolution), compute))

    def estimate(self, backbone: str, resolution: int) -> "StepTime":
        """Estimates a step of a backbone from its MACs and the step of a small network of its kind."""
        from ml.training.step_timing import StepTime

        cost = self.cost(backbone, resolution)
        known = DEPTHWISE if cost.is_depthwise and cost.gmacs <= MAX_LIGHT_GMACS else DENSE
        times, ratio = self.measure(*known), cost.gmacs / self.cost(*known).gmacs
        return StepTime(embed_s=ratio * times.embed_s, train_s=ratio * times.train_s)

    def _timing(self, backbone: str, resolution: int) -> str:
        return f"{self.device}: {backbone} at {resolution} px"

    def _keeping(self, key: str, compute: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
        """Returns what is kept under a key, or computes and keeps it."""
        if key not in self._kept:
            self._kept[key] = compute()
            with replace_file(UPath(self._path)) as file:
                file.write(json.dumps(self._kept, indent=2).encode())
        return self._kept[key]
