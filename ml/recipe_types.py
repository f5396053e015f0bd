"""Recipe types: what the configuration of an encoder, a classifier or an ensemble consists of, and its fingerprint.

Nothing in this file loads PyTorch; `ml.recipes` has the recipes themselves.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How a random view of a picture is drawn; every picture gets its own draw.

    `crop_scale` is the share of the picture's area that a crop keeps, `crop_ratio` its width over its height.
    Brightness, contrast and saturation factors lie within 1 +- the value, hue within +- the value (in turns).
    """

    crop_scale: Range = (0.2, 1.0)
    crop_ratio: Range = (3 / 4, 4 / 3)
    flip_probability: float = 0.5
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey_probability: float = 0.2
    blur_probability: float = 0.0
    blur_sigma: Range = (0.1, 2.0)  # pixels of the view
    solarise_probability: float = 0.0
    solarise_threshold: float = 0.5  # of 0..1: what is brighter is inverted


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How weights are fitted: linear warm-up, then a cosine down to nothing.

    `encoder_lr_factor` scales the rate of an encoder's weights against that of what stands behind it; each of its
    blocks learns at `layer_decay` times the rate of the block behind it (layer-wise rates, Clark et al. 2020,
    arXiv:2003.10555). LARS (You et al. 2017, arXiv:1708.03888) is for batches of thousands. With `ema_decay` what is
    kept is not the last step's weights but their exponential moving average.
    """

    epochs: int
    batch_size: int
    lr: float
    optimiser: Literal["adamw", "lars"] = "adamw"
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    max_grad_norm: float = 5.0
    encoder_lr_factor: float = 1.0
    layer_decay: float = 1.0
    ema_decay: float | None = None


@dataclass(frozen=True, kw_only=True)
class LocalViews:
    """Small parts of a picture as further views, for methods that compare them with the whole (multi-crop)."""

    num: int = 6
    resolution: int = 32
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(crop_scale=(0.05, 0.3)))


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a device computes: what `autotune` chooses by timing, and any other choice gives the same but last digits."""

    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    compiled: bool = False


PLAIN = Execution()


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """Self-supervised pretraining of an encoder on pictures without labels.

    `options` are the method's own, as its class lists them. The second view is drawn by `second_augmentation`, or like
    the first. With `micro_batch_size` a batch goes through the networks in parts of so many pictures: its memory is
    theirs, its gradient is the whole batch's, but for layers that look at a batch's statistics (batch norm sees a
    part). `execution` None is chosen by timing.
    """

    method: str
    optimisation: Optimisation
    augmentation: Augmentation = field(default_factory=Augmentation)
    second_augmentation: Augmentation | None = None
    local_views: LocalViews | None = None
    options: Mapping[str, float | int] = field(default_factory=dict)
    micro_batch_size: int | None = None
    execution: Execution | None = None


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """An encoder: a timm backbone, where its weights start, and how they are pretrained, if at all.

    `weights` are "random", "imagenet" (what timm's hub has for the backbone), or the path of a checkpoint that another
    tool wrote (`ml/foreign.py`). With a `parent` they start from that encoder of the library, and `weights` tells
    where it started.
    """

    name: str
    backbone: str
    weights: str
    resolution: int
    parent: str | None = None
    pretraining: Pretraining | None = None
    seed: int = 0

    @property
    def weights_file(self) -> Path | None:
        """The checkpoint of another tool that its weights come from."""
        return None if self.weights in ("imagenet", "random") else Path(self.weights)


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """What a student takes from a teacher, a classifier or an ensemble (Hinton et al. 2015, arXiv:1503.02531).

    Its loss is `soft_weight` times the distance to the teacher's answers at `temperature`, and the rest times that to
    the labels, where there are any. With a `feature_weight` it also learns which pictures its teacher holds for alike
    (Tung and Mori 2019, arXiv:1907.09682; they weigh it by thousands, for its mean is over all pairs of a batch).
    """

    teacher: str
    temperature: float = 2.0
    soft_weight: float = 0.8
    feature_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FixMatch:
    """How pictures without a label teach a classifier what it is sure of (Sohn et al. 2020, arXiv:2001.07685).

    Beside each batch come `unlabelled_ratio` times as many of them. What is at least `threshold` probable in a view
    like the labelled ones' is to be said of a `strong` view too; that loss counts `weight` times.
    """

    threshold: float = 0.95
    unlabelled_ratio: int = 3
    weight: float = 1.0
    strong: Augmentation = field(default_factory=lambda: Augmentation(crop_scale=(0.4, 1.0), solarise_probability=0.1))


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Pictures of a batch mixed in pairs, and their losses in the same shares.

    Mixup (Zhang et al. 2018, arXiv:1710.09412) adds them up, CutMix (Yun et al. 2019, arXiv:1905.04899) puts a box of
    one into the other. A share is drawn from Beta(alpha, alpha); alpha 0 leaves a kind out, and of both a batch takes
    one by lot. `probability` is that of a batch to be mixed at all.
    """

    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        if min(self.mixup_alpha, self.cutmix_alpha) < 0 or self.mixup_alpha + self.cutmix_alpha == 0:
            raise ValueError(
                f"mixing takes alphas of at least 0, one of them above it; got mixup_alpha {self.mixup_alpha} and "
                f"cutmix_alpha {self.cutmix_alpha}"
            )
        if not 0 < self.probability <= 1:
            raise ValueError(f"mixing has the probability {self.probability}; give one above 0, at most 1")


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe:
    """A classifier over one encoder: a probe on frozen embeddings, or a fine-tuning of every weight.

    `projector_dim` or `predictor_dim` None leaves that layer out; a probe without both is linear.
    `heads` and `loss` are names of `HEADS` and `LOSSES`. `depth_weights` weigh the losses of taxonomy levels 1 to 4.
    A fine-tuning moves the last `tuned_share` of the encoder's blocks, 1 being all of them. Without `augmentation`,
    training sees the pictures as they are. With `patience` it stops after so many evaluations on validation without a
    better one (there are ten over a whole run, or a few more), and what is kept is the best one's weights. With
    `distillation` it is a student: it also learns what its teacher says, of pictures without a label too. With
    `semi_supervised` those teach what it is sure of. `execution` None is chosen by timing.
    """

    name: str
    encoder: str
    mode: Literal["probe", "finetune"]
    optimisation: Optimisation
    label_fraction: float = 1.0
    heads: str = "per_level"
    loss: str = "cross_entropy"
    depth_weights: tuple[float, ...] = (0.1, 0.2, 0.3, 1.0)
    projector_dim: int | None = None
    predictor_dim: int | None = None
    label_smoothing: float = 0.0
    tuned_share: float = 1.0
    augmentation: Augmentation | None = None
    mixing: Mixing | None = None
    patience: int | None = None
    distillation: Distillation | None = None
    semi_supervised: FixMatch | None = None
    execution: Execution | None = PLAIN
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.tuned_share <= 1:
            raise ValueError(
                f"classifier {self.name!r} tunes the share {self.tuned_share}; give one above 0, at most 1"
            )
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"classifier {self.name!r} has the patience {self.patience}; give at least 1, or None")


@dataclass(frozen=True, kw_only=True)
class AttributeRecipe:
    """A task besides the categories: telling an attribute of products, such as their colour, from their pictures.

    Its labels are the texts of `column` in the table products, whatever their case; one that fewer than `min_pictures`
    training pictures have is left out. `classifier` has a single level, so a single depth weight.
    """

    name: str
    column: str
    classifier: ClassifierRecipe
    min_pictures: int = 20


@dataclass(frozen=True, kw_only=True)
class EnsembleRecipe:
    """Classifiers that answer as one: by the mean of their probabilities, or by weights that validation chooses."""

    name: str
    members: tuple[str, ...]
    combination: Literal["vote", "stack"] = "vote"


def fingerprint(recipe: object) -> str:
    """The SHA-256 (hex) of a recipe's canonical JSON: equal recipes, and only they, share it."""
    canonical = json.dumps(asdict(recipe), sort_keys=True, separators=(",", ":"))  # type: ignore[call-overload]
    return hashlib.sha256(canonical.encode()).hexdigest()
