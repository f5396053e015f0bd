"""Fine-tuning and probing: which parameters they train and freeze, and their reports."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.classifiers.classifier import Classifier
from ml.classifiers.distillation import similarity_loss, soft_loss, teacher_log_probabilities
from ml.classifiers.heads import HEADS
from ml.classifiers.hierarchy import UNKNOWN
from ml.classifiers.losses import LOSSES
from ml.classifiers.predicting import predict
from ml.encoders.backbones import block_of_parameter
from ml.encoders.encoder import build, embed
from ml.recipe_types import DEFAULT_EXECUTION, Distillation, Execution, Mixing, Optimization
from ml.recipes import PROBE
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, initial_classifier, train_classifier
from ml.training.optimizers import build_optimizer
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, striped

CPU = torch.device("cpu")
PIXELS, LABELS = striped(64)
EXAMPLES = Examples(inputs=PIXELS, labels=LABELS)


def test_fine_tuning_learns_and_reports_metrics() -> None:
    recipe = replace(TINY_FINETUNE, optimization=Optimization(epochs=40, batch_size=16, lr=3e-3))
    unseen_pixels, unseen_labels = striped(40, seed=1)
    reports: list[dict[str, float]] = []
    callbacks = TrainingCallbacks(
        validation=Examples(inputs=unseen_pixels, labels=unseen_labels),
        on_epoch=lambda metrics: reports.append(dict(metrics)),
    )
    classifier = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU, callbacks).classifier
    leaves = predict(classifier, unseen_pixels, CPU)[3].ids[:, 0]
    accuracy = float((leaves == unseen_labels[:, 3]).mean())
    assert accuracy > 0.9
    assert reports[-1]["validation_accuracy"] == pytest.approx(accuracy)
    assert reports[-1]["loss"] < reports[0]["loss"]
    assert {"epoch", "loss", "accuracy", "top5", "lr", "examples_per_s"} <= reports[0].keys()
    validated = [report["epoch"] for report in reports if "validation_loss" in report]
    assert validated == list(range(4, 41, 4))


def test_views_of_a_lower_resolution_train_and_whole_images_are_evaluated() -> None:
    recipe = replace(TINY_FINETUNE, view_resolution=16, optimization=Optimization(epochs=1, batch_size=16, lr=3e-3))
    encoder, sides = build(TINY_ENCODER), []
    encoder.register_forward_pre_hook(lambda _, images: sides.append((encoder.training, *images[0].shape[2:])))
    validation = Examples(inputs=PIXELS, labels=LABELS)
    train_classifier(recipe, encoder, EXAMPLES, CPU, TrainingCallbacks(validation=validation))
    assert set(sides) == {(True, 16, 16), (False, 32, 32)}


def test_a_validation_label_that_training_never_saw_counts_as_missed() -> None:
    strange = LABELS.copy()
    strange[:, 3] = 77
    last: dict[str, float] = {}
    callbacks = TrainingCallbacks(validation=Examples(inputs=PIXELS, labels=strange), on_epoch=last.update)
    train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, callbacks)
    assert last["validation_accuracy"] == last["validation_top5"] == 0
    assert np.isfinite(last["validation_loss"])


def test_a_probe_does_not_change_its_encoder() -> None:
    encoder = build(TINY_ENCODER)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    examples = Examples(inputs=embed(encoder, PIXELS, CPU), labels=LABELS)
    classifier = train_classifier(PROBE, encoder, examples, CPU).classifier
    assert all(torch.equal(tensor, before[name]) for name, tensor in classifier.encoder.state_dict().items())


def test_a_probe_predicts_equally_from_images_and_embeddings() -> None:
    encoder = build(TINY_ENCODER)
    embeddings = embed(encoder, PIXELS, CPU)
    classifier = train_classifier(PROBE, encoder, Examples(inputs=embeddings, labels=LABELS), CPU).classifier
    for pixels, embedded in zip(predict(classifier, PIXELS, CPU), predict(classifier, embeddings, CPU), strict=True):
        assert np.allclose(pixels.probabilities, embedded.probabilities, atol=1e-4)


def test_a_probe_is_as_good_as_scikit_learns_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(0, 1, (10, 64))
    kinds = rng.integers(0, 10, 1200)
    scales = rng.uniform(0.1, 10, 64)  # features of unlike size, as embeddings have
    inputs = ((centers[kinds] + rng.normal(0, 2.2, (1200, 64))) * scales).astype(np.float32)
    labels = np.stack([kinds * 0 + 1, kinds // 5 + 10, kinds // 5 * 10 + kinds // 2 + 100, kinds + 1000], axis=1)
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(inputs[:400], kinds[:400])
    encoder = build(TINY_ENCODER)
    encoder.dim = 64  # the embeddings above stand for this encoder's
    examples = Examples(inputs=inputs[:400], labels=labels[:400])
    classifier = train_classifier(PROBE, encoder, examples, CPU).classifier
    ours = (predict(classifier, inputs[400:], CPU)[3].ids[:, 0] == labels[400:, 3]).mean()
    assert 0.5 < reference.score(inputs[400:], kinds[400:]) < 0.95  # neither trivial nor hopeless
    assert ours > reference.score(inputs[400:], kinds[400:]) - 0.01


def test_an_interrupted_fine_tuning_resumes(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"

    def interrupt(metrics: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(
            TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, TrainingCallbacks(checkpoint=path, on_epoch=interrupt)
        )
    resumed = train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, TrainingCallbacks(checkpoint=path))
    unbroken = train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU)
    assert resumed.cost.resumed_after_step > 0
    ours, theirs = resumed.classifier.state_dict(), unbroken.classifier.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_another_encoder_does_not_resume_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"

    def interrupt(metrics: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(
            TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, TrainingCallbacks(checkpoint=path, on_epoch=interrupt)
        )
    other = build(replace(TINY_ENCODER, seed=1))
    assert (
        train_classifier(
            TINY_FINETUNE, other, EXAMPLES, CPU, TrainingCallbacks(checkpoint=path)
        ).cost.resumed_after_step
        == 0
    )


def test_inputs_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'imagenet-lite0-probe' \(probe\) takes inputs of 2 dimensions"):
        train_classifier(PROBE, build(TINY_ENCODER), EXAMPLES, CPU)
    with pytest.raises(ValueError, match="3 inputs have 4 labels"):
        Examples(inputs=PIXELS[:3], labels=LABELS[:4])


def test_a_student_learns_from_its_teacher_s_predictions_of_unlabeled_images() -> None:
    """A student of eight labels and 64 predictions is closer to the teacher than a classifier of eight labels."""
    recipe = replace(TINY_FINETUNE, optimization=Optimization(epochs=20, batch_size=16, lr=3e-3))
    teacher = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU).classifier
    few = LABELS.copy()
    few[8:] = UNKNOWN
    said = teacher_log_probabilities(teacher, PIXELS, CPU)
    distilled = replace(recipe, distillation=Distillation(teacher="teacher"))
    student = train_classifier(
        distilled, build(TINY_ENCODER), Examples(inputs=PIXELS, labels=few, teacher_log_probabilities=said), CPU
    )
    alone = train_classifier(recipe, build(TINY_ENCODER), Examples(inputs=PIXELS[:8], labels=LABELS[:8]), CPU)
    unseen, _ = striped(40, seed=1)

    def distance(classifier: Classifier) -> float:
        """The distance of its predictions of unseen images from the teacher's."""
        pairs = zip(*(teacher_log_probabilities(each, unseen, CPU) for each in (classifier, teacher)), strict=True)
        own, theirs = zip(*((torch.from_numpy(one), torch.from_numpy(other)) for one, other in pairs), strict=True)
        return soft_loss(own, theirs, 1.0, recipe.depth_weights).item()

    assert distance(student.classifier) < 0.8 * distance(alone.classifier)


def test_a_student_of_features_preserves_its_teacher_s_similarities() -> None:
    optimization = Optimization(epochs=16, batch_size=16, lr=3e-3)
    teacher = build(replace(TINY_ENCODER, seed=1))
    features = embed(teacher, PIXELS, CPU)
    said = tuple(np.zeros((len(PIXELS), num), dtype=np.float16) for num in (1, 2, 4, 4))  # uniform predictions
    unseen, _ = striped(40, seed=1)
    expected = torch.from_numpy(embed(teacher, unseen, CPU))
    dissimilarity = {}
    for weight in (0.0, 1000.0):
        distillation = Distillation(teacher="teacher", soft_weight=1.0, feature_weight=weight)
        recipe = replace(TINY_FINETUNE, optimization=optimization, distillation=distillation)
        examples = replace(EXAMPLES, teacher_log_probabilities=said, teacher_features=features)
        student = train_classifier(recipe, build(TINY_ENCODER), examples, CPU).classifier
        dissimilarity[weight] = similarity_loss(torch.from_numpy(embed(student.encoder, unseen, CPU)), expected).item()
    assert dissimilarity[1000.0] < 0.5 * dissimilarity[0.0]


def test_a_student_of_features_needs_features_and_unmixed_images() -> None:
    recipe = replace(TINY_FINETUNE, distillation=Distillation(teacher="teacher", feature_weight=1.0))
    said = tuple(np.zeros((len(PIXELS), num), dtype=np.float16) for num in (1, 2, 4, 4))
    with pytest.raises(ValueError, match="learns by features, but its examples have no teacher features"):
        train_classifier(recipe, build(TINY_ENCODER), replace(EXAMPLES, teacher_log_probabilities=said), CPU)
    examples = replace(
        EXAMPLES, teacher_log_probabilities=said, teacher_features=np.zeros((len(PIXELS), 3), dtype=np.float32)
    )
    with pytest.raises(ValueError, match="leave out its mixing or its feature_weight"):
        train_classifier(replace(recipe, mixing=Mixing()), build(TINY_ENCODER), examples, CPU)


def test_a_student_needs_predictions_of_all_its_images() -> None:
    with pytest.raises(ValueError, match="the teacher predicted 3 of 64 inputs"):
        Examples(inputs=PIXELS, labels=LABELS, teacher_log_probabilities=(np.zeros((3, 4), dtype=np.float16),))
    recipe = replace(TINY_FINETUNE, distillation=Distillation(teacher="teacher"))
    with pytest.raises(ValueError, match="learns by distillation, but its examples have no data for it"):
        train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("heads", HEADS)
def test_every_loss_trains_every_head_that_can_take_it(heads: str, loss: str) -> None:
    optimization = replace(TINY_FINETUNE.optimization, epochs=2)
    recipe = replace(TINY_FINETUNE, heads=heads, loss=loss, optimization=optimization)
    examples = replace(EXAMPLES, values={1000: 3.0, 1001: 1.0})
    if loss == "hierarchical" and heads in ("flat", "per_level"):
        with pytest.raises(ValueError, match="takes heads whose levels agree: conditional, marginal; not"):
            train_classifier(recipe, build(TINY_ENCODER), examples, CPU)
        return
    losses: list[float] = []
    callbacks = TrainingCallbacks(on_epoch=lambda metrics: losses.append(metrics["loss"]))
    train_classifier(recipe, build(TINY_ENCODER), examples, CPU, callbacks)
    assert losses[-1] < losses[0]


def test_learning_rates_decay_from_the_last_block_to_the_first() -> None:
    encoder = build(TINY_ENCODER)
    block = block_of_parameter(encoder.name, encoder.backbone)
    settings = Optimization(epochs=1, batch_size=4, lr=1.0, encoder_lr_factor=0.5, layer_decay=0.9)
    classifier = initial_classifier(TINY_FINETUNE, encoder, EXAMPLES)
    optimizer = build_optimizer(classifier, settings)
    name_of = {parameter: name for name, parameter in classifier.named_parameters()}
    seen = 0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name, seen = name_of[parameter], seen + 1
            own = block.get(name.removeprefix("encoder.backbone."))
            factor = 1.0 if own is None else 0.5 * 0.9 ** (max(block.values()) - own)
            assert group["lr_factor"] == pytest.approx(factor), name
    assert seen == len(name_of)
    assert len({round(group["lr_factor"], 6) for group in optimizer.param_groups}) > 4


def test_a_classifier_learns_from_mixed_images() -> None:
    optimization = Optimization(epochs=24, batch_size=16, lr=3e-3)
    recipe = replace(TINY_FINETUNE, mixing=Mixing(cutmix_alpha=0.0), optimization=optimization)
    unseen, labels = striped(40, seed=1)
    classifier = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU).classifier
    assert (predict(classifier, unseen, CPU)[3].ids[:, 0] == labels[:, 3]).mean() > 0.9


def test_a_resumed_run_keeps_its_autotuned_execution(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    recipe = replace(TINY_FINETUNE, execution=None)

    def interrupt(metrics: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(
            recipe, build(TINY_ENCODER), EXAMPLES, CPU, TrainingCallbacks(checkpoint=path, on_epoch=interrupt)
        )
    begun = torch.load(path, weights_only=True)["notes"]
    trained = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU, TrainingCallbacks(checkpoint=path))
    assert trained.cost.resumed_after_step > 0
    assert trained.tuned.step_s == begun["step_s"]
    assert Execution(**begun["execution"]) == trained.tuned.execution
    assert trained.classifier.execution == DEFAULT_EXECUTION  # predictions use the default


def test_bfloat16_has_the_losses_of_float32() -> None:
    losses: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for precision, epoch_losses in losses.items():
        recipe = replace(TINY_FINETUNE, execution=Execution(precision=precision))  # type: ignore[arg-type]
        callbacks = TrainingCallbacks(on_epoch=lambda metrics, to=epoch_losses: to.append(metrics["loss"]))
        classifier = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU, callbacks).classifier
        assert {parameter.dtype for parameter in classifier.parameters()} == {torch.float32}
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)


def test_drop_path_skips_blocks_in_training_alone_and_leaves_the_weights_loadable(tmp_path: Path) -> None:
    recipe = replace(TINY_FINETUNE, drop_path=0.9)
    pixels, labels = striped(8)
    encoder = build(replace(TINY_ENCODER, backbone="test_vit"))
    classifier = initial_classifier(recipe, encoder, Examples(inputs=pixels, labels=labels))
    images = torch.from_numpy(pixels)
    with torch.no_grad():
        plain = encoder.eval()(images)
        assert torch.allclose(classifier.eval().embed(images), plain, atol=1e-6)
        torch.manual_seed(0)
        assert not torch.allclose(classifier.train().embed(images), plain, atol=1e-3)
    classifier.save(tmp_path, {})
    assert torch.allclose(Classifier.load(tmp_path).embed(images), plain, atol=1e-6)


def test_drop_path_is_refused_for_a_backbone_that_has_none_before_training() -> None:
    encoder = build(replace(TINY_ENCODER, backbone="inception_v3", resolution=75))
    pixels, labels = striped(4)
    with pytest.raises(ValueError, match=r"'inception_v3' has no drop path; leave drop_path at 0"):
        initial_classifier(replace(TINY_FINETUNE, drop_path=0.1), encoder, Examples(inputs=pixels, labels=labels))
