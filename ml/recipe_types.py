"""Recipe types: the complete configuration of encoders, classifiers and ensembles, and its fingerprint.

This module does not import PyTorch. The recipes themselves are in `ml.recipes`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from ml.recipe_parts import Augmentation, Optimization, Range

Fit = Literal["crop", "pad", "squash"]
FORMER_FIT: Fit = "crop"  # of encoders and deployments that recorded none

__all__ = [
    "DEFAULT_EXECUTION",
    "AttributeRecipe",
    "Augmentation",
    "ClassifierRecipe",
    "Distillation",
    "EncoderRecipe",
    "EnsembleRecipe",
    "Execution",
    "FixMatch",
    "LocalViews",
    "Mixing",
    "Optimization",
    "Pretraining",
    "Range",
    "fingerprint",
]


@dataclass(frozen=True, kw_only=True)
class LocalViews:
    """Additional views of small crops at a lower resolution (multi-crop), for methods that support them."""

    num: int = 6
    resolution: int = 32
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(crop_scale=(0.05, 0.3)))


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Precision, memory format and compilation of a network; results differ only by rounding."""

    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    compiled: bool = False


DEFAULT_EXECUTION = Execution()


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """Self-supervised pretraining of an encoder on unlabeled images.

    Args:
        method: A name in `ml.methods.METHODS`.
        optimization: Optimizer and schedule.
        augmentation: Distribution of the views.
        second_augmentation: Distribution of the second view, if it differs.
        local_views: Multi-crop views, for methods that support them.
        options: Keyword arguments of the method's class.
        micro_batch_size: Images that go through the networks at once. Memory is that of a micro-batch, the gradient is
            that of the whole batch, except that batch norm uses the statistics of a micro-batch.
        execution: None measures a few steps on the device and takes the fastest.
    """

    method: str
    optimization: Optimization
    augmentation: Augmentation = field(default_factory=Augmentation)
    second_augmentation: Augmentation | None = None
    local_views: LocalViews | None = None
    options: Mapping[str, float | int] = field(default_factory=dict)
    micro_batch_size: int | None = None
    execution: Execution | None = None


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """An image encoder: a timm backbone, its starting weights, and its pretraining.

    Args:
        name: Name of the recipe, also its partition key.
        backbone: Name of a timm model.
        weights: "random", "imagenet" or "pretrained" (timm's weights of the backbone, on ImageNet or on whatever else
            its tag names), or the path of a checkpoint (see `ml.encoders.third_party_weights`).
        resolution: Side of the input images in pixels.
        fit: Conversion of images that are not square: "crop" keeps the centered square, "pad" adds white on both sides,
            "squash" changes the aspect ratio. Square images are the same in all of them.
        parent: Name of another encoder recipe whose trained weights are the starting weights; `weights` then records
            where the parent started.
        pretraining: None keeps the starting weights.
        seed: Seed of random weights, views and the order of images.
    """

    name: str
    backbone: str
    weights: str
    resolution: int
    fit: Fit = "crop"
    parent: str | None = None
    pretraining: Pretraining | None = None
    seed: int = 0

    @property
    def weights_file(self) -> Path | None:
        """The path of the checkpoint, or None for random weights and those of timm."""
        return None if self.weights == "random" or self.is_pretrained_by_timm else Path(self.weights)

    @property
    def is_pretrained_by_timm(self) -> bool:
        """True where the starting weights are those that timm has for the backbone."""
        return self.weights in ("imagenet", "pretrained")


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Distillation of a teacher, a classifier or an ensemble, into a student (Hinton et al. 2015, arXiv:1503.02531).

    Args:
        teacher: Name of the teacher's recipe.
        temperature: Softmax temperature of both models in the soft loss.
        soft_weight: Weight of the loss against the teacher's predictions; the loss against labels, where there are
            any, has the weight 1 - `soft_weight`.
        feature_weight: Weight of the similarity-preserving loss between the embeddings of student and teacher (Tung and
            Mori 2019, arXiv:1907.09682, who use thousands, since it is a mean over all pairs of a batch).
    """

    teacher: str
    temperature: float = 2.0
    soft_weight: float = 0.8
    feature_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FixMatch:
    """Semi-supervised training with pseudo-labels (Sohn et al. 2020, arXiv:2001.07685).

    Args:
        threshold: Minimal confidence of a prediction on the weak view to become a pseudo-label.
        unlabeled_ratio: Unlabeled images per labeled image in a batch.
        weight: Weight of the unsupervised loss.
        strong: Augmentation of the strong view.
    """

    threshold: float = 0.95
    unlabeled_ratio: int = 3
    weight: float = 1.0
    strong: Augmentation = field(default_factory=lambda: Augmentation(crop_scale=(0.4, 1.0), solarize_probability=0.1))


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Mixup (Zhang et al. 2018, arXiv:1710.09412) and CutMix (Yun et al. 2019, arXiv:1905.04899).

    Args:
        mixup_alpha: The mixing share is drawn from Beta(alpha, alpha); 0 disables mixup.
        cutmix_alpha: The same for CutMix. If both are positive, each batch uses one of them at random.
        probability: Probability that a batch is mixed.

    Raises:
        ValueError: An alpha is negative, both are 0, or the probability is not in (0, 1].
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
    """A classifier on top of one encoder: a probe on frozen embeddings, or fine-tuning.

    Args:
        name: Name of the recipe, also its partition key.
        encoder: Name of the encoder's recipe.
        mode: "probe" trains on embeddings with the encoder frozen, "finetune" trains on images.
        optimization: Optimizer and schedule.
        label_fraction: Share of the training labels to use.
        heads: A name in `ml.classifiers.heads.HEADS`.
        loss: A name in `ml.classifiers.losses.LOSSES`.
        depth_weights: Weights of the losses of taxonomy levels 1 to 4.
        projector_dim: Width of the layer after the encoder; None omits it.
        predictor_dim: Width of the layer before each head; None omits it. A probe without both layers is linear.
        label_smoothing: Share of the target distribution that is spread over all classes.
        tuned_share: Share of the encoder's blocks that train, counted from the last; 1 trains all.
        drop_path: Probability that the last residual block is skipped for an image in training; it grows linearly from
            the first block (stochastic depth, Huang et al. 2016, arXiv:1603.09382). Fine-tuning only.
        augmentation: None trains on images without augmentation.
        view_resolution: Side of the augmented images in pixels; None is the encoder's resolution. Less trains faster,
            and since random crops enlarge what they show, objects have about the size that they have at the encoder's
            resolution (FixRes, Touvron et al. 2019, arXiv:1906.06423).
        mixing: Mixup and CutMix; None disables both.
        patience: Number of validation evaluations without improvement after which training stops with the best weights;
            there are about ten evaluations in a run. None trains all epochs and keeps the last weights.
        distillation: Trains a student on a teacher's predictions, including those of unlabeled images.
        semi_supervised: Adds pseudo-labels of unlabeled images.
        execution: None measures a few steps on the device and takes the fastest.
        seed: Seed of the heads' weights, the drawn labels, views and the order of images.

    Raises:
        ValueError: `tuned_share` or `label_fraction` is not in (0, 1], `drop_path` is not in [0, 1) or set for a probe,
            `patience` is below 1, or there is a `view_resolution` without augmentation.
    """

    name: str
    encoder: str
    mode: Literal["probe", "finetune"]
    optimization: Optimization
    label_fraction: float = 1.0
    heads: str = "per_level"
    loss: str = "cross_entropy"
    depth_weights: tuple[float, ...] = (0.1, 0.2, 0.3, 1.0)
    projector_dim: int | None = None
    predictor_dim: int | None = None
    label_smoothing: float = 0.0
    tuned_share: float = 1.0
    drop_path: float = 0.0
    augmentation: Augmentation | None = None
    view_resolution: int | None = None
    mixing: Mixing | None = None
    patience: int | None = None
    distillation: Distillation | None = None
    semi_supervised: FixMatch | None = None
    execution: Execution | None = DEFAULT_EXECUTION
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.tuned_share <= 1:
            raise ValueError(
                f"classifier {self.name!r} tunes the share {self.tuned_share}; give one above 0, at most 1"
            )
        if not 0 < self.label_fraction <= 1:
            raise ValueError(
                f"classifier {self.name!r} trains on the share {self.label_fraction} of the labels; give one above 0, "
                "at most 1"
            )
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"classifier {self.name!r} has drop_path {self.drop_path}; give at least 0, below 1")
        if self.drop_path and self.mode == "probe":
            raise ValueError(
                f"classifier {self.name!r} is a probe with drop_path {self.drop_path}; its encoder is frozen, so leave "
                "drop_path out, or fine-tune"
            )
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"classifier {self.name!r} has the patience {self.patience}; give at least 1, or None")
        if self.view_resolution is not None and (self.augmentation is None or self.view_resolution < 1):
            raise ValueError(
                f"classifier {self.name!r} has the view_resolution {self.view_resolution}; give at least 1 and an "
                "augmentation, which draws the views, or None"
            )


@dataclass(frozen=True, kw_only=True)
class AttributeRecipe:
    """Prediction of a product attribute other than the category, such as the color.

    Args:
        name: Name of the recipe, also its partition key.
        column: Column of the table `products` whose texts are the labels, ignoring case.
        classifier: A classifier recipe with a single level, so a single depth weight.
        min_images: Attribute values with fewer training images are left out.
    """

    name: str
    column: str
    classifier: ClassifierRecipe
    min_images: int = 20


@dataclass(frozen=True, kw_only=True)
class EnsembleRecipe:
    """An ensemble of classifiers: "vote" averages their probabilities, "stack" weighs them as fits validation best."""

    name: str
    members: tuple[str, ...]
    combination: Literal["vote", "stack"] = "vote"


def fingerprint(recipe: object) -> str:
    """Returns the SHA-256 (hex) of a recipe dataclass as canonical JSON; only equal recipes share it."""
    canonical = json.dumps(asdict(recipe), sort_keys=True, separators=(",", ":"))  # type: ignore[call-overload]
    return hashlib.sha256(canonical.encode()).hexdigest()
