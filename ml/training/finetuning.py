"""Fine-tuning: a classifier trained on labelled pictures, wholly or only behind a frozen encoder."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ml.backbones import block_of_parameter
from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.encoders import Encoder
from ml.pixels import fingerprint_arrays
from ml.recipe_types import PLAIN, ClassifierRecipe, Execution, fingerprint
from ml.training.autotune import MAX_TUNED_ON, Verdict, autotune
from ml.training.checkpoints import Checkpoint
from ml.training.classification import ClassificationTask, Examples
from ml.training.execution import executing
from ml.training.fixmatch import FixMatchTask
from ml.training.loop import Cost, Hooks, OnEpoch, Task, train
from ml.training.stopping import EarlyStopping


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished classifier, what its training took, and how it was computed."""

    classifier: Classifier
    cost: Cost
    verdict: Verdict


def initial_classifier(recipe: ClassifierRecipe, encoder: Encoder, train: Examples) -> Classifier:
    """The classifier that a recipe starts from; to be probed, with its encoder frozen and a standardiser.

    Raises:
        ValueError: the heads are unknown, or the recipe's mode does not go with the inputs.
    """
    wanted = {"probe": 2, "finetune": 4}[recipe.mode]
    if train.inputs.ndim != wanted:
        raise ValueError(
            f"classifier {recipe.name!r} ({recipe.mode}) takes inputs of {wanted} dimensions "
            f"(embeddings to probe, pixels to fine-tune), got the shape {train.inputs.shape}"
        )
    for part, given in (("distillation", train.answers), ("semi_supervised", train.unlabelled)):
        if getattr(recipe, part) is not None and given is None:
            raise ValueError(f"classifier {recipe.name!r} learns by {part}, and its examples bring nothing for it")
    if recipe.distillation is not None and recipe.distillation.feature_weight:
        if train.features is None:
            raise ValueError(f"classifier {recipe.name!r} learns by features, and its examples bring none of a teacher")
        if recipe.mixing is not None:
            raise ValueError(
                f"classifier {recipe.name!r} learns by features of pictures as they are, and mixes pictures; leave out "
                "its mixing or its feature_weight"
            )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        classifier = Classifier(encoder, Hierarchy.of_labels(train.labels), Template.of(recipe))
    if recipe.loss == "hierarchical" and not classifier.heads.agree:
        agreeing = ", ".join(sorted(name for name, heads in HEADS.items() if getattr(heads, "agree", False)))
        raise ValueError(f"the loss 'hierarchical' takes heads whose levels agree: {agreeing}; not {recipe.heads!r}")
    if recipe.mode == "probe":
        encoder.requires_grad_(False)
        classifier.standardise_by(np.asarray(train.inputs, dtype=np.float32))
    elif recipe.tuned_share < 1:
        freeze_all_but(encoder, recipe.tuned_share)
    return classifier


def train_classifier(
    recipe: ClassifierRecipe,
    encoder: Encoder,
    examples: Examples,
    device: torch.device,
    watch: "Watch | None" = None,
) -> Trained:
    """The classifier of a recipe over an encoder, trained on examples; the encoder becomes part of it.

    A killed run goes on from `watch.checkpoint` when called again with the same recipe, encoder and examples.

    Raises:
        ValueError: unknown heads, inputs of the wrong kind, fewer than two examples, or patience without validation.
        FloatingPointError: the training diverged.
    """
    watch = watch or Watch()
    if recipe.patience is not None and watch.validation is None:
        raise ValueError(
            f"classifier {recipe.name!r} stops early, and there are no labelled validation pictures to judge by; "
            "label some, or leave its patience out"
        )
    classifier = initial_classifier(recipe, encoder, examples)
    task: Task = ClassificationTask(classifier, recipe, examples, watch.validation)
    if recipe.semi_supervised is not None and examples.unlabelled is not None:
        settings = recipe.semi_supervised
        task = FixMatchTask(task, examples.unlabelled, settings, recipe.depth_weights, recipe.augmentation)
    checkpoint = None
    if watch.checkpoint is not None:
        start = [tensor.numpy() for tensor in encoder.state_dict().values()]
        given = [
            each for each in (*(examples.answers or ()), examples.features, examples.unlabelled) if each is not None
        ]
        made_from = fingerprint_arrays(examples.inputs, examples.labels, *given, *start)
        checkpoint = Checkpoint(path=watch.checkpoint, fingerprint=f"{fingerprint(recipe)}-{made_from}")
    stopping = EarlyStopping(patience=recipe.patience) if recipe.patience is not None else None
    verdict = _verdict(classifier, recipe, examples, device, checkpoint)
    hooks = Hooks(checkpoint=checkpoint, on_epoch=watch.on_epoch, stopping=stopping)
    with executing(classifier, verdict.execution):
        classifier.execution = verdict.execution
        cost = train(task, recipe.optimisation, device, recipe.seed, hooks)
    classifier.execution = PLAIN
    classifier.state = "trained"
    return Trained(classifier=classifier.eval(), cost=cost, verdict=verdict)


def freeze_all_but(encoder: Encoder, tuned_share: float) -> None:
    """Only the last share of an encoder's blocks goes on learning, and at least one of them."""
    block = block_of_parameter(encoder.name, encoder.backbone)
    num_blocks = max(block.values()) + 1
    first = num_blocks - max(1, round(tuned_share * num_blocks))
    for name, parameter in encoder.backbone.named_parameters():
        parameter.requires_grad_(block[name] >= first)


def _verdict(
    classifier: Classifier,
    recipe: ClassifierRecipe,
    examples: Examples,
    device: torch.device,
    checkpoint: Checkpoint | None,
) -> Verdict:
    """How to compute: as the recipe says, as the run began that goes on, or as timing tells."""
    if recipe.execution is not None:
        return Verdict(execution=recipe.execution, step_s={})
    state = checkpoint.read() if checkpoint is not None else None
    if state is not None:
        return Verdict(execution=Execution(**state["notes"]["execution"]), step_s=state["notes"]["step_s"])
    optimisation = recipe.optimisation
    few = examples.first(
        min(optimisation.batch_size, MAX_TUNED_ON) if device.type == "cpu" else optimisation.batch_size
    )
    indices = torch.arange(len(few.labels))

    def step(trial: Classifier, execution: Execution) -> None:
        trial.execution = execution
        task = ClassificationTask(trial, recipe, few, None)
        task.backward(indices)

    steps_alike = optimisation.epochs * len(examples.labels) // len(indices)
    verdict = autotune(classifier, step, device, num_steps=steps_alike)
    if checkpoint is not None:
        checkpoint.notes = {"execution": asdict(verdict.execution), "step_s": dict(verdict.step_s)}
    return verdict


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What accompanies a training: examples to validate on, a checkpoint file, a listener to every epoch."""

    validation: Examples | None = None
    checkpoint: Path | None = None
    on_epoch: OnEpoch | None = None
