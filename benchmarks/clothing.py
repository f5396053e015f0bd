"""Clothing photographs by their 17 native labels: a probe, a hand-written recipe, and the result of a search.

SHELFSIGHT_PHOTOGRAPHS=FOLDER make bench NAME=clothing

Twenty minutes on two cores. Split by sender as the catalog splits groups; everything is chosen on validation senders
and evaluated once on test senders. Trained models are cached in `.bench/clothing`, and an interrupted run resumes.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims import Claim, at_least, figure, publish
from benchmarks.peers import BENCH
from benchmarks.starting_weights import DEVICE, PHOTOGRAPHS, photographs
from catalog.dataset.splits import split_of
from catalog.evaluation.data_efficiency import crossed_estimate
from catalog.storage.cores import num_cores
from demo.clothing import read_labels
from ml.classifiers.classifier import Classifier
from ml.classifiers.predicting import predict
from ml.embeddings.probes import fit_linear_probes
from ml.encoders.encoder import build, embed
from ml.recipe_types import Augmentation, ClassifierRecipe, Optimization, fingerprint
from ml.recipes import IMAGENET_LITE0
from ml.search import run_search
from ml.search.budget import Budget
from ml.search.ledger import Ledger
from ml.search.metrics import Score
from ml.search.objective import PROBE_WEIGHT_DECAYS, Finetuning, SearchData
from ml.search.recipe import SearchRecipe
from ml.search.space import Space
from ml.training.classification import Examples
from ml.training.finetuning import TrainingCallbacks, train_classifier
from ml.vectors import LabeledEmbeddings

FOLDER = BENCH / "clothing"
ENCODER = replace(IMAGENET_LITE0, name="imagenet-lite0-224", resolution=224)
MIN_LEAD = 5.0  # points over the frozen encoder

BY_HAND = ClassifierRecipe(
    name="by-hand",
    encoder=ENCODER.name,
    mode="finetune",
    heads="flat",
    depth_weights=(1.0,),
    # The first half of the blocks takes most of the time at this resolution, and changes least.
    tuned_share=0.5,
    optimization=Optimization(
        epochs=6, batch_size=32, lr=2e-3, warmup_epochs=0.5, encoder_lr_factor=0.3, ema_decay=0.99
    ),
    label_smoothing=0.1,
    augmentation=Augmentation(crop_scale=(0.5, 1.0), jitter_probability=0.4, gray_probability=0.0),
)
SEARCH = SearchRecipe(
    name="clothing",
    space=Space(encoders=(ENCODER.name,), epochs=(6,), lr=(1e-3, 4e-3), encoder_lr_factor=(0.1, 1.0)),
    base=BY_HAND,
    budget=Budget(seconds=24 * 3600.0),
    bracket_size=6,
    eta=3,
    num_rungs=3,
    max_trials=6,
    searcher="optuna",
)


class Clothes:
    """The labeled photographs: pixels, the native label of each as a single level, (n, 1), and their splits."""

    def __init__(self) -> None:
        listed = read_labels(PHOTOGRAPHS)
        labeled = np.flatnonzero([each.label is not None and each.google_id is not None for each in listed])
        self.names = sorted({listed[each].label or "" for each in labeled})
        self.labels = np.array([[self.names.index(listed[each].label or "")] for each in labeled])
        splits = np.array([split_of(listed[each].sender or listed[each].image_id) for each in labeled])
        self.training, self.validation, self.test = (
            np.flatnonzero(splits == each) for each in ("train", "val", "test")
        )
        self.pixels = photographs().pixels(ENCODER.resolution)[labeled]

    def right(self, predicted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns 1 for each test photograph whose label was predicted, (1, num_test)."""
        return (predicted == self.labels[self.test, 0])[None].astype(float)


def main() -> None:
    """Probes, fine-tunes, searches, evaluates and publishes."""
    torch.set_num_threads(num_cores())
    clothes = Clothes()
    FOLDER.mkdir(parents=True, exist_ok=True)
    embeddings = FOLDER / "embeddings.npy"
    build(ENCODER).save(FOLDER / "encoder", {})
    if not embeddings.exists():
        np.save(embeddings, embed(build(ENCODER), clothes.pixels, DEVICE))
    np.save(FOLDER / "pixels.npy", clothes.pixels)
    frozen = clothes.right(probed(clothes, np.load(embeddings)))
    by_hand = clothes.right(tuned(clothes, BY_HAND))
    subject = f"clothing photographs, {len(clothes.names)} native labels, {len(clothes.test)} of test senders"
    claims = [
        alone(f"{subject}: frozen lite0 at 224 px + logistic regression", frozen),
        alone(f"{subject}: lite0 fine-tuned by hand", by_hand),
        lead(f"{subject}: gain of the recipe by hand over the frozen encoder", by_hand, frozen, MIN_LEAD),
    ]
    publish("clothing", claims)  # the search takes a while
    ledger = Ledger(FOLDER / SEARCH.fingerprint()[:12] / "ledger.sqlite")
    outcome = run_search(SEARCH, objective(clothes), ledger, "photographs", _log)
    if outcome.winner is None:
        raise RuntimeError(f"the search found nothing: {outcome.sentence(SEARCH)}")
    if outcome.winner.rung == 0:
        raise RuntimeError(f"no fine-tuning was better than the probe: {outcome.sentence(SEARCH)}")
    found = clothes.right(tuned(clothes, replace(outcome.winner.recipe, name="found")))
    claims += [
        alone(f"{subject}: classifier found by a search of 6 candidates", found),
        lead(f"{subject}: gain of the found classifier over the recipe by hand", found, by_hand, 0.0),
    ]
    publish("clothing", claims)


def alone(subject: str, right: NDArray[np.float64]) -> Claim:
    """Returns the top-1 accuracy as a claim."""
    top1 = crossed_estimate(right)
    return figure(f"{subject} (95 % within {top1.low:.3f} to {top1.high:.3f})", top1.value, "")


def lead(subject: str, first: NDArray[np.float64], second: NDArray[np.float64], bar: float) -> Claim:
    """Returns the lead of the first over the second in points of accuracy, paired by image."""
    over = crossed_estimate(first - second)
    within = f"95 % within {100 * over.low:.1f} to {100 * over.high:.1f}"
    return at_least(f"{subject} ({within})", 100 * over.value, bar, "points")


def probed(clothes: Clothes, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """Predicts the test photographs' labels by logistic regression on a frozen encoder, with the best weight decay."""
    train = LabeledEmbeddings(embeddings[clothes.training], clothes.labels[clothes.training, 0])
    truth = clothes.labels[clothes.validation, 0]
    probes = list(fit_linear_probes(train, PROBE_WEIGHT_DECAYS, DEVICE))
    best = max(probes, key=lambda probe: float((probe.predict(embeddings[clothes.validation]) == truth).mean()))
    return best.predict(embeddings[clothes.test])


def tuned(clothes: Clothes, recipe: ClassifierRecipe) -> NDArray[np.int64]:
    """Predicts the test photographs' labels by a fine-tuned classifier."""
    best: NDArray[np.int64] = predict(trained(clothes, recipe), clothes.pixels[clothes.test], DEVICE)[-1].ids[:, 0]
    return best


def trained(clothes: Clothes, recipe: ClassifierRecipe) -> Classifier:
    """Trains a classifier, or loads it from an earlier run."""
    folder = FOLDER / f"{recipe.name}-{fingerprint(recipe)[:12]}"
    if not (folder / "classifier.json").exists():
        examples = Examples(inputs=clothes.pixels[clothes.training], labels=clothes.labels[clothes.training])
        callbacks = TrainingCallbacks(checkpoint=folder / "checkpoint.pt", on_epoch=_log)
        train_classifier(recipe, build(ENCODER), examples, DEVICE, callbacks).classifier.save(folder, {})
    return Classifier.load(folder)


def objective(clothes: Clothes) -> Finetuning:
    """Returns the objective of a trial: accuracy on validation senders."""
    data = SearchData(encoder=FOLDER / "encoder", embeddings=FOLDER / "embeddings.npy", pixels=FOLDER / "pixels.npy")
    return Finetuning(
        base=SEARCH.base,
        library={ENCODER.name: data},
        labels=clothes.labels,
        training=clothes.training,
        validation=clothes.validation,
        score=Score(SEARCH.metric),
        device=str(DEVICE),
        num_threads=num_cores(),
    )


def _log(*subject: object) -> None:
    print(*subject, flush=True)


if __name__ == "__main__":
    main()
