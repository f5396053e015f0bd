"""Fine-tuning and probing: what they learn, what they leave alone, what they report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.backbones import block_of_parameter
from ml.classifiers.classifier import Classifier
from ml.classifiers.heads import HEADS
from ml.classifiers.hierarchy import UNKNOWN
from ml.classifiers.losses import LOSSES
from ml.classifiers.predicting import predict
from ml.distillation import answers, similarity_loss, soft_loss
from ml.encoders import build, embed
from ml.recipe_types import PLAIN, Distillation, Execution, Mixing, Optimisation
from ml.recipes import PROBE
from ml.training.classification import Examples
from ml.training.finetuning import Watch, initial_classifier, train_classifier
from ml.training.optimisers import build_optimiser
from tests.ml.tiny import TINY_ENCODER, TINY_FINETUNE, striped

CPU = torch.device("cpu")
PIXELS, LABELS = striped(64)
EXAMPLES = Examples(inputs=PIXELS, labels=LABELS)


def test_fine_tuning_learns_what_it_is_shown_and_reports_how_it_goes() -> None:
    recipe = replace(TINY_FINETUNE, optimisation=Optimisation(epochs=40, batch_size=16, lr=3e-3))
    unseen_pixels, unseen_labels = striped(40, seed=1)
    reports: list[dict[str, float]] = []
    watch = Watch(
        validation=Examples(inputs=unseen_pixels, labels=unseen_labels),
        on_epoch=lambda metrics: reports.append(dict(metrics)),
    )
    classifier = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU, watch).classifier
    leaves = predict(classifier, unseen_pixels, CPU)[3].ids[:, 0]
    accuracy = float((leaves == unseen_labels[:, 3]).mean())
    assert accuracy > 0.9
    assert reports[-1]["validation_accuracy"] == pytest.approx(accuracy)
    assert reports[-1]["loss"] < reports[0]["loss"]
    assert {"epoch", "loss", "accuracy", "top5", "lr", "examples_per_s"} <= reports[0].keys()
    validated = [report["epoch"] for report in reports if "validation_loss" in report]
    assert validated == list(range(4, 41, 4))


def test_a_validation_label_that_training_never_saw_counts_as_missed() -> None:
    strange = LABELS.copy()
    strange[:, 3] = 77
    last: dict[str, float] = {}
    watch = Watch(validation=Examples(inputs=PIXELS, labels=strange), on_epoch=last.update)
    train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, watch)
    assert last["validation_accuracy"] == last["validation_top5"] == 0
    assert np.isfinite(last["validation_loss"])


def test_a_probe_leaves_its_encoder_as_it_was() -> None:
    encoder = build(TINY_ENCODER)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    examples = Examples(inputs=embed(encoder, PIXELS, CPU), labels=LABELS)
    classifier = train_classifier(PROBE, encoder, examples, CPU).classifier
    assert all(torch.equal(tensor, before[name]) for name, tensor in classifier.encoder.state_dict().items())


def test_a_probe_answers_pixels_and_their_embeddings_alike() -> None:
    encoder = build(TINY_ENCODER)
    embeddings = embed(encoder, PIXELS, CPU)
    classifier = train_classifier(PROBE, encoder, Examples(inputs=embeddings, labels=LABELS), CPU).classifier
    for pixels, embedded in zip(predict(classifier, PIXELS, CPU), predict(classifier, embeddings, CPU), strict=True):
        assert np.allclose(pixels.probabilities, embedded.probabilities, atol=1e-4)


def test_a_probe_is_as_good_as_scikit_learns_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (10, 64))
    kinds = rng.integers(0, 10, 1200)
    scales = rng.uniform(0.1, 10, 64)  # features of unlike size, as embeddings have
    inputs = ((centres[kinds] + rng.normal(0, 2.2, (1200, 64))) * scales).astype(np.float32)
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
        train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, Watch(checkpoint=path, on_epoch=interrupt))
    resumed = train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, Watch(checkpoint=path))
    unbroken = train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU)
    assert resumed.cost.resumed_after_step > 0
    ours, theirs = resumed.classifier.state_dict(), unbroken.classifier.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_another_encoder_does_not_resume_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"

    def interrupt(metrics: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(TINY_FINETUNE, build(TINY_ENCODER), EXAMPLES, CPU, Watch(checkpoint=path, on_epoch=interrupt))
    other = build(replace(TINY_ENCODER, seed=1))
    assert train_classifier(TINY_FINETUNE, other, EXAMPLES, CPU, Watch(checkpoint=path)).cost.resumed_after_step == 0


def test_inputs_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'imagenet-lite0-probe' \(probe\) takes inputs of 2 dimensions"):
        train_classifier(PROBE, build(TINY_ENCODER), EXAMPLES, CPU)
    with pytest.raises(ValueError, match="3 inputs have 4 labels"):
        Examples(inputs=PIXELS[:3], labels=LABELS[:4])


def test_a_student_takes_its_teacher_s_answers_for_pictures_without_a_label() -> None:
    """Eight labels tell little; the teacher's answers to 64 pictures tell what it knows."""
    recipe = replace(TINY_FINETUNE, optimisation=Optimisation(epochs=40, batch_size=16, lr=3e-3))
    teacher = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU).classifier
    few = LABELS.copy()
    few[8:] = UNKNOWN
    said = answers(teacher, PIXELS, CPU)
    distilled = replace(recipe, distillation=Distillation(teacher="teacher"))
    student = train_classifier(distilled, build(TINY_ENCODER), Examples(inputs=PIXELS, labels=few, answers=said), CPU)
    alone = train_classifier(recipe, build(TINY_ENCODER), Examples(inputs=PIXELS[:8], labels=LABELS[:8]), CPU)
    unseen, _ = striped(40, seed=1)

    def apart(classifier: Classifier) -> float:
        """How far its answers to unseen pictures are from the teacher's."""
        pairs = zip(answers(classifier, unseen, CPU), answers(teacher, unseen, CPU), strict=True)
        own, theirs = zip(*((torch.from_numpy(one), torch.from_numpy(other)) for one, other in pairs), strict=True)
        return soft_loss(own, theirs, 1.0, recipe.depth_weights).item()

    assert apart(student.classifier) < 0.8 * apart(alone.classifier)


def test_a_student_of_features_holds_for_alike_what_its_teacher_does() -> None:
    optimisation = Optimisation(epochs=40, batch_size=16, lr=3e-3)
    teacher = build(replace(TINY_ENCODER, seed=1))
    features = embed(teacher, PIXELS, CPU)
    said = tuple(np.zeros((len(PIXELS), num), dtype=np.float16) for num in (1, 2, 4, 4))  # nothing is likelier
    unseen, _ = striped(40, seed=1)
    wanted = torch.from_numpy(embed(teacher, unseen, CPU))
    unlike = {}
    for weight in (0.0, 1000.0):
        distillation = Distillation(teacher="teacher", soft_weight=1.0, feature_weight=weight)
        recipe = replace(TINY_FINETUNE, optimisation=optimisation, distillation=distillation)
        examples = replace(EXAMPLES, answers=said, features=features)
        student = train_classifier(recipe, build(TINY_ENCODER), examples, CPU).classifier
        unlike[weight] = similarity_loss(torch.from_numpy(embed(student.encoder, unseen, CPU)), wanted).item()
    assert unlike[1000.0] < 0.5 * unlike[0.0]


def test_a_student_of_features_is_refused_without_any_and_with_mixed_pictures() -> None:
    recipe = replace(TINY_FINETUNE, distillation=Distillation(teacher="teacher", feature_weight=1.0))
    said = tuple(np.zeros((len(PIXELS), num), dtype=np.float16) for num in (1, 2, 4, 4))
    with pytest.raises(ValueError, match="learns by features, and its examples bring none of a teacher"):
        train_classifier(recipe, build(TINY_ENCODER), replace(EXAMPLES, answers=said), CPU)
    examples = replace(EXAMPLES, answers=said, features=np.zeros((len(PIXELS), 3), dtype=np.float32))
    with pytest.raises(ValueError, match="leave out its mixing or its feature_weight"):
        train_classifier(replace(recipe, mixing=Mixing()), build(TINY_ENCODER), examples, CPU)


def test_a_student_without_answers_to_all_its_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="a teacher answered 3 of 64 inputs"):
        Examples(inputs=PIXELS, labels=LABELS, answers=(np.zeros((3, 4), dtype=np.float16),))
    recipe = replace(TINY_FINETUNE, distillation=Distillation(teacher="teacher"))
    with pytest.raises(ValueError, match="learns by distillation, and its examples bring nothing for it"):
        train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("heads", HEADS)
def test_every_loss_trains_every_head_that_can_take_it(heads: str, loss: str) -> None:
    recipe = replace(TINY_FINETUNE, heads=heads, loss=loss)
    examples = replace(EXAMPLES, values={1000: 3.0, 1001: 1.0})
    if loss == "hierarchical" and heads in ("flat", "per_level"):
        with pytest.raises(ValueError, match="takes heads whose levels agree: conditional, marginal; not"):
            train_classifier(recipe, build(TINY_ENCODER), examples, CPU)
        return
    told: list[float] = []
    watch = Watch(on_epoch=lambda figures: told.append(figures["loss"]))
    train_classifier(recipe, build(TINY_ENCODER), examples, CPU, watch)
    assert told[-1] < told[0]


def test_blocks_learn_the_slower_the_nearer_they_are_to_the_pictures() -> None:
    encoder = build(TINY_ENCODER)
    block = block_of_parameter(encoder.name, encoder.backbone)
    settings = Optimisation(epochs=1, batch_size=4, lr=1.0, encoder_lr_factor=0.5, layer_decay=0.9)
    classifier = initial_classifier(TINY_FINETUNE, encoder, EXAMPLES)
    optimiser = build_optimiser(classifier, settings)
    name_of = {parameter: name for name, parameter in classifier.named_parameters()}
    seen = 0
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            name, seen = name_of[parameter], seen + 1
            own = block.get(name.removeprefix("encoder.backbone."))
            factor = 1.0 if own is None else 0.5 * 0.9 ** (max(block.values()) - own)
            assert group["lr_factor"] == pytest.approx(factor), name
    assert seen == len(name_of)
    assert len({round(group["lr_factor"], 6) for group in optimiser.param_groups}) > 4


def test_mixed_pictures_still_teach_what_is_in_them() -> None:
    optimisation = Optimisation(epochs=60, batch_size=16, lr=3e-3)
    recipe = replace(TINY_FINETUNE, mixing=Mixing(cutmix_alpha=0.0), optimisation=optimisation)
    unseen, labels = striped(40, seed=1)
    classifier = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU).classifier
    assert (predict(classifier, unseen, CPU)[3].ids[:, 0] == labels[:, 3]).mean() > 0.9


def test_the_way_to_compute_is_timed_where_the_recipe_leaves_it_open(tmp_path: Path) -> None:
    """And a run that goes on computes as it began."""
    path = tmp_path / "checkpoint.pt"
    recipe = replace(TINY_FINETUNE, execution=None)

    def interrupt(metrics: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU, Watch(checkpoint=path, on_epoch=interrupt))
    begun = torch.load(path, weights_only=True)["notes"]
    trained = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU, Watch(checkpoint=path))
    assert trained.cost.resumed_after_step > 0
    assert trained.verdict.step_s == begun["step_s"]
    assert Execution(**begun["execution"]) == trained.verdict.execution
    assert trained.classifier.execution == PLAIN  # answers are computed as ever


def test_bfloat16_trains_as_well() -> None:
    recipe = replace(
        TINY_FINETUNE,
        execution=Execution(precision="bfloat16"),
        optimisation=Optimisation(epochs=40, batch_size=16, lr=3e-3),
    )
    unseen, labels = striped(40, seed=1)
    classifier = train_classifier(recipe, build(TINY_ENCODER), EXAMPLES, CPU).classifier
    assert {parameter.dtype for parameter in classifier.parameters()} == {torch.float32}
    assert (predict(classifier, unseen, CPU)[3].ids[:, 0] == labels[:, 3]).mean() > 0.9
