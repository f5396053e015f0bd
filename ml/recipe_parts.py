"""Parts of recipes: the augmentation of images, and the optimizer with its schedule.

This module does not import PyTorch.
"""

from dataclasses import dataclass, fields
from typing import Literal

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Distribution of random views; every image draws its own parameters.

    Args:
        crop_scale: Range of the crop's area as a share of the image's area.
        crop_ratio: Range of the crop's aspect ratio, width / height.
        flip_probability: Probability of a horizontal flip.
        jitter_probability: Probability of changing brightness, contrast, saturation and hue.
        brightness: Factors lie within 1 +- this value; likewise `contrast` and `saturation`.
        hue: Rotation within +- this value, in turns.
        gray_probability: Probability of a gray image.
        blur_probability: Probability of a Gaussian blur.
        blur_sigma: Range of the blur's standard deviation in pixels of the view.
        solarize_probability: Probability of inverting values above `solarize_threshold` (of 0..1).
        erase_probability: Probability of covering a rectangle with one random gray, after all other changes (random
            erasing, Zhong et al. 2017, arXiv:1708.04896).
        erase_scale: Range of the rectangle's area as a share of the view's; its aspect ratio is in 0.3 to 1 / 0.3.

    Raises:
        ValueError: A range is not of positive numbers in ascending order, or a probability is not in 0..1.
    """

    crop_scale: Range = (0.2, 1.0)
    crop_ratio: Range = (3 / 4, 4 / 3)
    flip_probability: float = 0.5
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    gray_probability: float = 0.2
    blur_probability: float = 0.0
    blur_sigma: Range = (0.1, 2.0)
    solarize_probability: float = 0.0
    solarize_threshold: float = 0.5
    erase_probability: float = 0.0
    erase_scale: Range = (0.02, 1 / 3)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_probability") and not 0 <= value <= 1:
                raise ValueError(f"augmentation has {each.name} {value}; give a probability, 0 to 1")
            if isinstance(value, tuple) and not 0 < value[0] <= value[1]:
                raise ValueError(f"augmentation has {each.name} {value}; give two numbers above 0, the smaller first")
        for name in ("crop_scale", "erase_scale"):
            if getattr(self, name)[1] > 1:
                raise ValueError(f"augmentation has {name} {getattr(self, name)}; give shares of the image, at most 1")


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """Optimizer and schedule: linear warm-up, then a cosine decay to zero.

    Args:
        epochs: Passes over the training images.
        batch_size: Images per optimizer step.
        lr: Peak learning rate.
        optimizer: "adamw"; "sgd" with Nesterov's momentum of 0.9; "rmsprop" as in TensorFlow, with a decay and a
            momentum of 0.9; or "lars" for batches of thousands (You et al. 2017, arXiv:1708.03888).
        weight_decay: Applies to weights, not to biases and normalization scales.
        warmup_epochs: Length of the linear warm-up.
        max_grad_norm: Gradient norm above which gradients are clipped.
        adaptive_clip: Share of the norm of each unit's weights to which the norm of its gradient is clipped, in the
            encoder alone (adaptive gradient clipping, Brock et al. 2021, arXiv:2102.06171); None disables it.
        encoder_lr_factor: Learning rate of the encoder divided by that of the layers after it.
        layer_decay: Each block of the encoder learns at this multiple of the next block's rate (layer-wise learning
            rates, Clark et al. 2020, arXiv:2003.10555).
        ema_decay: Decay of an exponential moving average of the weights, which replaces the last step's weights at the
            end; None keeps the last step's weights.

    Raises:
        ValueError: A number is out of its range; the message names it.
    """

    epochs: int
    batch_size: int
    lr: float
    optimizer: Literal["adamw", "sgd", "rmsprop", "lars"] = "adamw"
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    max_grad_norm: float = 5.0
    adaptive_clip: float | None = None
    encoder_lr_factor: float = 1.0
    layer_decay: float = 1.0
    ema_decay: float | None = None

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "weight_decay": 0, "warmup_epochs": 0, "encoder_lr_factor": 0}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise ValueError(f"optimization has {name} {getattr(self, name)}; give at least {minimum}")
        for name in ("lr", "max_grad_norm", "layer_decay", "adaptive_clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"optimization has {name} {value}; give a number above 0")
        if self.layer_decay > 1:
            raise ValueError(f"optimization has layer_decay {self.layer_decay}; give at most 1, which disables it")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ValueError(f"optimization has ema_decay {self.ema_decay}; give at least 0, below 1")
