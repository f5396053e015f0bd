"""Fine-tuning: a classifier trained on labelled pictures, wholly or only behind a frozen encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.backbones import block_of_parameter
from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS
from ml.classifiers.hierarchy import Hierarchy, Ids
from ml.classifiers.losses import Training, loss_named, top_k_accuracy
from ml.classifiers.template import Template
from ml.distillation import Answers, soft_loss
from ml.encoders import Encoder
from ml.pixels import PixelRows, fingerprint_arrays
from ml.recipes import PLAIN, ClassifierRecipe, Execution, fingerprint
from ml.training.autotune import MAX_TUNED_ON, Verdict, autotune
from ml.training.checkpoints import Checkpoint
from ml.training.execution import executing
from ml.training.fixmatch import FixMatchTask
from ml.training.loop import Cost, Hooks, OnEpoch, Task, train
from ml.training.mixing import mix
from ml.training.stopping import EarlyStopping
from ml.views import random_view

NUM_EVALUATIONS = 10  # over a run: validation on every epoch of a short one would cost more than the training
EVALUATION_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples: pixels (n, 3, h, w) or embeddings (n, dim), and taxonomy ids (n, num_levels), -1 without a label.

    `values` are business values by leaf id. `answers` are a teacher's, over the classes of these labels' hierarchy;
    only where there are any, may examples lack a label. `unlabelled` pixels are FixMatch's.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    labels: Ids
    values: Mapping[int, float] | None = None
    answers: Answers | None = None
    unlabelled: PixelRows | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels):
            raise ValueError(f"{len(self.inputs)} inputs have {len(self.labels)} labels; give one label to each")
        if self.answers is not None and len(self.answers[-1]) != len(self.inputs):
            raise ValueError(
                f"a teacher answered {len(self.answers[-1])} of {len(self.inputs)} inputs; it is to say all"
            )

    def first(self, num: int) -> "Examples":
        """The first so many examples."""
        answers = None if self.answers is None else tuple(level[:num] for level in self.answers)
        return replace(self, inputs=self.inputs[:num], labels=self.labels[:num], answers=answers)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished classifier, what its training took, and how it was computed."""

    classifier: Classifier
    cost: Cost
    verdict: Verdict


class ClassificationTask:
    """A classifier and the labelled examples that it learns from and is watched on."""

    def __init__(
        self, classifier: Classifier, recipe: ClassifierRecipe, train: Examples, validation: Examples | None
    ) -> None:
        self.num_examples = len(train.inputs)
        self._classifier, self._recipe, self._train, self._validation = classifier, recipe, train, validation
        self._targets = torch.from_numpy(classifier.hierarchy.encode(train.labels))
        self._loss_of_labels = loss_named(recipe.loss)
        self._training = Training.of(
            classifier.hierarchy, train.labels, recipe.depth_weights, recipe.label_smoothing, train.values
        )

    @property
    def module(self) -> Classifier:
        return self._classifier

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        device, rows = self._classifier.shift.device, indices.numpy()
        inputs = torch.from_numpy(self._train.inputs[rows]).to(device)
        targets = self._targets[indices].to(device)
        said = [torch.from_numpy(level[rows]).to(device) for level in self._train.answers or ()]
        if self._recipe.augmentation is not None:
            inputs = random_view(inputs, self._recipe.augmentation)
        if self._recipe.mixing is None:
            scores = self._classifier(inputs)
            loss = self._loss(scores, targets, said)
        else:
            mixed = mix(inputs, self._recipe.mixing)
            scores = self._classifier(mixed.pictures)
            loss = mixed.loss(lambda rows: self._loss(scores, targets[rows], [level[rows] for level in said]))
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), **_figures(scores, targets)}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        return {"inputs": torch.from_numpy(self._train.inputs[indices.numpy()]), "targets": self._targets[indices]}

    def after_update(self, progress: float) -> None:
        pass  # nothing follows the weights of a classifier

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Loss, accuracy and top5 on the validation examples, ten times over the run or a little more."""
        validation = self._validation
        every = max(1, num_epochs // NUM_EVALUATIONS)
        if validation is None or (epoch % every and epoch < num_epochs):
            return {}
        device = self._classifier.shift.device
        targets = torch.from_numpy(self._classifier.hierarchy.encode(validation.labels))
        self._classifier.eval()
        sums: dict[str, float] = {}
        with torch.inference_mode():
            for start in range(0, len(targets), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                inputs = torch.from_numpy(np.ascontiguousarray(validation.inputs[part])).to(device)
                scores, own = self._classifier(inputs), targets[part].to(device)
                loss = self._loss(scores, own)
                for name, value in {"loss": loss, **_figures(scores, own)}.items():
                    sums[name] = sums.get(name, 0.0) + value.item() * len(inputs)
        return {f"validation_{name}": total / len(targets) for name, total in sums.items()}

    def _loss(self, scores: Sequence[Tensor], targets: Tensor, said: Sequence[Tensor] = ()) -> Tensor:
        """Over all levels, by labels; and by what a teacher said, if it did."""
        loss = self._loss_of_labels(scores, targets, self._training.to(targets.device))
        distillation = self._recipe.distillation
        if distillation is None or not said:
            return loss
        soft = soft_loss(scores, said, distillation.temperature, self._recipe.depth_weights)
        return (1 - distillation.soft_weight) * loss + distillation.soft_weight * soft


def _figures(scores: Sequence[Tensor], targets: Tensor) -> Mapping[str, Tensor]:
    """Accuracy and top5 of the leaves."""
    leaves, leaf_targets = scores[-1].detach(), targets[:, -1]
    return {name: top_k_accuracy(leaves, leaf_targets, k) for name, k in {"accuracy": 1, "top5": 5}.items()}


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
        given = [*(examples.answers or ()), *([] if examples.unlabelled is None else [examples.unlabelled])]
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
