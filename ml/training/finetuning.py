"""Classifier training: fine-tuning on images, or a probe on embeddings of a frozen encoder."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.encoders.backbones import block_of_parameter
from ml.encoders.encoder import Encoder, with_drop_path
from ml.execution import executing
from ml.pixels import fingerprint_arrays
from ml.recipe_types import DEFAULT_EXECUTION, ClassifierRecipe, Execution, fingerprint
from ml.training.autotune import MAX_TUNED_ON, TunedExecution, autotune
from ml.training.checkpoints import Checkpoint
from ml.training.classification import ClassificationTask, Examples
from ml.training.fixmatch import FixMatchTask
from ml.training.loop import Hooks, OnEpoch, OnStep, Task, TrainingCost, train
from ml.training.stopping import EarlyStopping, Stopping


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained classifier, the cost of its training, and the execution that was used."""

    classifier: Classifier
    cost: TrainingCost
    tuned: TunedExecution


def initial_classifier(recipe: ClassifierRecipe, encoder: Encoder, train: Examples) -> Classifier:
    """Builds the untrained classifier of a recipe; for a probe, freezes the encoder and standardizes its embeddings.

    Args:
        recipe: The recipe; random weights depend only on its seed.
        encoder: Becomes part of the classifier; with a drop path, a copy of it does.
        train: The training examples, whose labels define the classes.

    Raises:
        ValueError: The heads are unknown, the backbone has no drop path, or the examples lack what the recipe's mode or
            losses need.
    """
    num_dims = {"probe": 2, "finetune": 4}[recipe.mode]
    if train.inputs.ndim != num_dims:
        raise ValueError(
            f"classifier {recipe.name!r} ({recipe.mode}) takes inputs of {num_dims} dimensions "
            f"(embeddings to probe, pixels to fine-tune), got the shape {train.inputs.shape}"
        )
    for part, given in (("distillation", train.teacher_log_probabilities), ("semi_supervised", train.unlabeled)):
        if getattr(recipe, part) is not None and given is None:
            raise ValueError(f"classifier {recipe.name!r} learns by {part}, but its examples have no data for it")
    if recipe.distillation is not None and recipe.distillation.feature_weight:
        if train.teacher_features is None:
            raise ValueError(
                f"classifier {recipe.name!r} learns by features, but its examples have no teacher features"
            )
        if recipe.mixing is not None:
            raise ValueError(
                f"classifier {recipe.name!r} learns by features of unmixed images, but mixes images; leave out "
                "its mixing or its feature_weight"
            )
    if recipe.drop_path:
        encoder = with_drop_path(encoder, recipe.drop_path)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        classifier = Classifier(encoder, Hierarchy.of_labels(train.labels), Template.of(recipe))
    if recipe.loss == "hierarchical" and not classifier.heads.agree:
        agreeing = ", ".join(sorted(name for name, heads in HEADS.items() if getattr(heads, "agree", False)))
        raise ValueError(f"the loss 'hierarchical' takes heads whose levels agree: {agreeing}; not {recipe.heads!r}")
    if recipe.mode == "probe":
        encoder.requires_grad_(False)
        classifier.standardize_by(np.asarray(train.inputs, dtype=np.float32))
    elif recipe.tuned_share < 1:
        freeze_early_blocks(encoder, recipe.tuned_share)
    return classifier


def train_classifier(
    recipe: ClassifierRecipe,
    encoder: Encoder,
    examples: Examples,
    device: torch.device,
    callbacks: "TrainingCallbacks | None" = None,
) -> Trained:
    """Trains the classifier of a recipe.

    A killed run resumes from `callbacks.checkpoint` if called again with the same recipe, encoder and examples.

    Args:
        recipe: The complete configuration.
        encoder: Becomes part of the classifier; its weights change when fine-tuned.
        examples: Images for fine-tuning, embeddings for a probe.
        device: The device that trains.
        callbacks: Validation examples, checkpoint file and epoch callback.

    Raises:
        ValueError: Unknown heads, inputs of the wrong kind, fewer than two examples, or patience without validation.
        FloatingPointError: The training diverged.
    """
    callbacks = callbacks or TrainingCallbacks()
    if recipe.patience is not None and callbacks.validation is None:
        raise ValueError(
            f"classifier {recipe.name!r} stops early, but there are no labeled validation images to evaluate; "
            "label some, or leave its patience out"
        )
    classifier = initial_classifier(recipe, encoder, examples)
    task: Task = ClassificationTask(classifier, recipe, examples, callbacks.validation)
    if recipe.semi_supervised is not None and examples.unlabeled is not None:
        settings = recipe.semi_supervised
        task = FixMatchTask(task, examples.unlabeled, settings, recipe.depth_weights, recipe.augmentation)
    checkpoint = None
    if callbacks.checkpoint is not None:
        start = [tensor.numpy() for tensor in encoder.state_dict().values()]
        further = [
            each
            for each in (*(examples.teacher_log_probabilities or ()), examples.teacher_features, examples.unlabeled)
            if each is not None
        ]
        made_from = fingerprint_arrays(examples.inputs, examples.labels, *further, *start)
        checkpoint = Checkpoint(path=callbacks.checkpoint, fingerprint=f"{fingerprint(recipe)}-{made_from}")
    stopping = callbacks.stopping
    if stopping is None and recipe.patience is not None:
        stopping = EarlyStopping(patience=recipe.patience)
    tuned = _tuned_execution(classifier, recipe, examples, device, checkpoint)
    hooks = Hooks(checkpoint=checkpoint, on_epoch=callbacks.on_epoch, on_step=callbacks.on_step, stopping=stopping)
    with executing(classifier, tuned.execution):
        classifier.execution = tuned.execution
        cost = train(task, recipe.optimization, device, recipe.seed, hooks)
    classifier.execution = DEFAULT_EXECUTION
    classifier.state = "trained"
    return Trained(classifier=classifier.eval(), cost=cost, tuned=tuned)


def freeze_early_blocks(encoder: Encoder, tuned_share: float) -> None:
    """Freezes all but the last `tuned_share` of an encoder's blocks; at least one block stays trainable."""
    block = block_of_parameter(encoder.name, encoder.backbone)
    num_blocks = max(block.values()) + 1
    first = num_blocks - max(1, round(tuned_share * num_blocks))
    for name, parameter in encoder.backbone.named_parameters():
        parameter.requires_grad_(block[name] >= first)


def _tuned_execution(
    classifier: Classifier,
    recipe: ClassifierRecipe,
    examples: Examples,
    device: torch.device,
    checkpoint: Checkpoint | None,
) -> TunedExecution:
    """Returns the execution of the recipe or of the run to resume; otherwise measures."""
    if recipe.execution is not None:
        return TunedExecution(execution=recipe.execution, step_s={})
    state = checkpoint.read() if checkpoint is not None else None
    if state is not None:
        return TunedExecution(execution=Execution(**state["notes"]["execution"]), step_s=state["notes"]["step_s"])
    optimization = recipe.optimization
    timed_examples = examples.first(
        min(optimization.batch_size, MAX_TUNED_ON) if device.type == "cpu" else optimization.batch_size
    )
    indices = torch.arange(len(timed_examples.labels))

    def step(trial: Classifier, execution: Execution) -> None:
        trial.execution = execution
        task = ClassificationTask(trial, recipe, timed_examples, None)
        task.backward(indices)

    num_steps = optimization.epochs * len(examples.labels) // len(indices)
    tuned = autotune(classifier, step, device, num_steps=num_steps)
    if checkpoint is not None:
        checkpoint.notes = {"execution": asdict(tuned.execution), "step_s": dict(tuned.step_s)}
    return tuned


@dataclass(frozen=True, kw_only=True)
class TrainingCallbacks:
    """Optional parts of a classifier's training.

    Args:
        validation: Labeled examples to evaluate about ten times per run.
        checkpoint: File of the run's state; None disables checkpoints.
        on_epoch: Is called after each epoch with its metrics.
        on_step: Is called after each step with the numbers of finished and of all steps; may raise to end the run.
        stopping: Ends the training instead of the recipe's patience.
    """

    validation: Examples | None = None
    checkpoint: Path | None = None
    on_epoch: OnEpoch | None = None
    on_step: OnStep | None = None
    stopping: Stopping | None = None
