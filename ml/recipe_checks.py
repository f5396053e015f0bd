"""Checks of recipes against their backbones, methods, heads and losses, before anything trains.

Backbones are built on PyTorch's meta device, which checks every shape and computes nothing: a check takes a fraction of
a second, whatever the size of the network.
"""

from collections.abc import Iterator
from functools import cache

from torch import nn

from ml.classifiers.heads import HEADS
from ml.classifiers.losses import LOSSES
from ml.encoders.backbones import block_of_parameter, create_backbone, image_size_option
from ml.methods import METHODS
from ml.name_suggestions import suggest_names
from ml.recipe_types import ClassifierRecipe, EncoderRecipe

NUM_LEVELS = 4  # of a category


def encoder_problems(recipe: EncoderRecipe, parent: EncoderRecipe | None = None) -> Iterator[str]:
    """Yields a sentence for each reason why an encoder's recipe cannot be built or pretrained.

    Args:
        recipe: The encoder's recipe.
        parent: The recipe that `recipe.parent` names, if any.
    """
    try:
        backbone = _backbone(recipe.backbone, recipe.resolution, 0.0)
    except ValueError as error:
        yield str(error)
        backbone = None
    file = recipe.weights_file
    if file is not None and not file.exists():
        yield f"has weights = {recipe.weights!r}, which is no file; write imagenet, pretrained, random or a path"
    if parent is not None:
        yield from _parent_problems(recipe, parent)
    pretraining = recipe.pretraining
    if pretraining is None:
        return
    if pretraining.method not in METHODS:
        yield f"has pretraining.method = {pretraining.method!r}; {suggest_names(pretraining.method, METHODS)}"
        return
    local = pretraining.local_views
    if local is not None and not METHODS[pretraining.method].supports_local_views:
        able = ", ".join(sorted(name for name, method in METHODS.items() if method.supports_local_views))
        yield f"has pretraining.local_views, which {pretraining.method} does not take; leave them out, or use {able}"
    if backbone is None:
        return
    micro_batch_size = pretraining.micro_batch_size
    if micro_batch_size is not None:
        yield from _batch_problems(recipe.backbone, backbone, "pretraining.micro_batch_size", micro_batch_size)
    if pretraining.optimization.batch_size < 2:  # there is nothing to contrast
        yield f"has pretraining.optimization.batch_size = {pretraining.optimization.batch_size}; give at least 2"
    if pretraining.optimization.layer_decay < 1:
        yield from _block_problems(recipe.backbone, backbone, "pretraining.optimization.layer_decay")


def classifier_problems(
    recipe: ClassifierRecipe, encoder: EncoderRecipe | None, num_levels: int = NUM_LEVELS
) -> Iterator[str]:
    """Yields a sentence for each reason why a classifier's recipe cannot be trained on top of its encoder.

    Args:
        recipe: The classifier's recipe.
        encoder: The recipe of its encoder; None checks the classifier alone, as for one whose encoder is searched.
        num_levels: Levels of the labels: four of a category, one of an attribute.
    """
    if len(recipe.depth_weights) != num_levels:
        given = len(recipe.depth_weights)
        yield f"has {given} depth_weights, but its labels have {num_levels} levels; give a weight to each"
    if recipe.heads not in HEADS:
        yield f"has heads = {recipe.heads!r}; {suggest_names(recipe.heads, HEADS)}"
    elif recipe.loss == "hierarchical" and not getattr(HEADS[recipe.heads], "agree", False):
        agreeing = ", ".join(sorted(name for name, heads in HEADS.items() if getattr(heads, "agree", False)))
        yield f"has loss = 'hierarchical', which takes heads whose levels agree: {agreeing}; not {recipe.heads!r}"
    if recipe.loss not in LOSSES:
        yield f"has loss = {recipe.loss!r}; {suggest_names(recipe.loss, LOSSES)}"
    if recipe.mode == "probe":
        unused = {
            "augmentation": recipe.augmentation,
            "mixing": recipe.mixing,
            "semi_supervised": recipe.semi_supervised,
        }
        for field in (name for name, value in unused.items() if value is not None):
            yield f"has {field}, which changes images, but a probe trains on embeddings; leave it out, or fine-tune"
        return
    if encoder is None:
        return
    try:
        backbone = _backbone(encoder.backbone, encoder.resolution, recipe.drop_path)
    except ValueError as error:
        if recipe.drop_path and not list(encoder_problems(encoder)):  # else the encoder's own problem
            yield str(error)
        return
    yield from _batch_problems(encoder.backbone, backbone, "optimization.batch_size", recipe.optimization.batch_size)
    if recipe.tuned_share < 1:
        yield from _block_problems(encoder.backbone, backbone, "tuned_share")
    if recipe.optimization.layer_decay < 1:
        yield from _block_problems(encoder.backbone, backbone, "optimization.layer_decay")


def require_trainable(recipe: ClassifierRecipe, encoder: EncoderRecipe, num_levels: int = NUM_LEVELS) -> None:
    """Raises ValueError with every problem of a classifier's recipe on top of its encoder."""
    if problems := list(classifier_problems(recipe, encoder, num_levels)):
        raise ValueError(f"classifier {recipe.name!r} " + "; and ".join(problems))


def require_buildable(recipe: EncoderRecipe, parent: EncoderRecipe | None = None) -> None:
    """Raises ValueError with every problem of an encoder's recipe; `parent` is the recipe that it names as such."""
    if problems := list(encoder_problems(recipe, parent)):
        raise ValueError(f"encoder {recipe.name!r} " + "; and ".join(problems))


def _parent_problems(recipe: EncoderRecipe, parent: EncoderRecipe) -> Iterator[str]:
    """Yields why the weights of a parent do not fit an encoder."""
    if parent.backbone != recipe.backbone:
        yield (
            f"has parent = {parent.name!r}, an encoder of {parent.backbone!r}, but its backbone is "
            f"{recipe.backbone!r}; give both the same"
        )
    elif parent.resolution != recipe.resolution and image_size_option(recipe.backbone, recipe.resolution):
        yield (
            f"has parent = {parent.name!r} of {parent.resolution} px, but takes {recipe.resolution} px, and "
            f"{recipe.backbone!r} has weights of one size; give both the same"
        )


def _batch_problems(name: str, backbone: nn.Module, field: str, size: int) -> Iterator[str]:
    """Yields a batch whose statistics batch norm cannot compute."""
    if size < 2 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in backbone.modules()):
        yield f"has {field} = {size}, but {name!r} has batch norm, which takes batches of at least 2"


def _block_problems(name: str, backbone: nn.Module, field: str) -> Iterator[str]:
    """Yields a field that counts blocks, for a backbone whose blocks timm does not define."""
    try:
        block_of_parameter(name, backbone)
    except ValueError as error:
        yield f"has {field}: {error}"


@cache
def _backbone(name: str, resolution: int, drop_path: float) -> nn.Module:
    """Builds a backbone without allocating its weights; many recipes share one."""
    return create_backbone(name, resolution, drop_path=drop_path, device="meta")
