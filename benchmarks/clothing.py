"""Clothing photographs by their 17 native labels: a probe, a fine-tuning by hand, and what a search finds.

SHELFSIGHT_PHOTOGRAPHS=FOLDER make bench NAME=clothing

Twenty minutes on two cores. Split by sender as the catalogue splits groups; everything is chosen on validation senders
and judged once on test senders. What is trained is kept below `.bench/clothing`, and a run that was cut off goes on.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims import Claim, at_least, figure, publish
from benchmarks.peers import BENCH
from benchmarks.starting_weights import DEVICE, PHOTOGRAPHS, photographs
from catalog.data_efficiency import crossed_estimate
from catalog.splits import split_of
from demo.clothing import read_labels
from ml.classifiers.classifier import Classifier
from ml.classifiers.predicting import predict
from ml.encoders import build, embed
from ml.probes import fit_linear_probes
from ml.recipe_types import Augmentation, ClassifierRecipe, Optimisation, fingerprint
from ml.recipes import IMAGENET_LITE0
from ml.search import run_search
from ml.search.ledger import Ledger
from ml.search.metrics import Score
from ml.search.objective import PROBE_WEIGHT_DECAYS, Finetuning, Material
from ml.search.recipe import SearchRecipe
from ml.search.space import Space
from ml.training.classification import Examples
from ml.training.finetuning import Watch, train_classifier
from ml.vectors import Labelled
from resources.compute import num_cores

PLACE = BENCH / "clothing"
ENCODER = replace(IMAGENET_LITE0, name="imagenet-lite0-224", resolution=224)
MIN_LEAD = 5.0  # points over the frozen encoder

BY_HAND = ClassifierRecipe(
    name="by-hand",
    encoder=ENCODER.name,
    mode="finetune",
    heads="flat",
    depth_weights=(1.0,),
    # The first half of the blocks takes most of the time at this resolution, and has least to learn.
    tuned_share=0.5,
    optimisation=Optimisation(
        epochs=6, batch_size=32, lr=2e-3, warmup_epochs=0.5, encoder_lr_factor=0.3, ema_decay=0.99
    ),
    label_smoothing=0.1,
    augmentation=Augmentation(crop_scale=(0.5, 1.0), jitter_probability=0.4, grey_probability=0.0),
)
SEARCH = SearchRecipe(
    name="clothing",
    space=Space(encoders=(ENCODER.name,), epochs=(6,), lr=(1e-3, 4e-3), encoder_lr_factor=(0.1, 1.0)),
    base=BY_HAND,
    budget_s=24 * 3600.0,
    bracket_size=6,
    eta=3,
    num_rungs=3,
    max_trials=6,
    searcher="optuna",
)


class Clothes:
    """The labelled photographs: pixels, the native label of each as a single level, (n, 1), and their splits."""

    def __init__(self) -> None:
        listed = read_labels(PHOTOGRAPHS)
        labelled = np.flatnonzero([each.label is not None and each.google_id is not None for each in listed])
        self.names = sorted({listed[each].label or "" for each in labelled})
        self.labels = np.array([[self.names.index(listed[each].label or "")] for each in labelled])
        splits = np.array([split_of(listed[each].sender or listed[each].picture_id) for each in labelled])
        self.training, self.validation, self.test = (
            np.flatnonzero(splits == each) for each in ("train", "val", "test")
        )
        self.pixels = photographs().pixels(ENCODER.resolution)[labelled]

    def right(self, predicted: NDArray[np.int64]) -> NDArray[np.float64]:
        """1 where a test photograph's label was told, (1, num_test)."""
        return (predicted == self.labels[self.test, 0])[None].astype(float)


def main() -> None:
    """Probe, fine-tune, search, judge, publish."""
    torch.set_num_threads(num_cores())
    clothes = Clothes()
    PLACE.mkdir(parents=True, exist_ok=True)
    embeddings = PLACE / "embeddings.npy"
    build(ENCODER).save(PLACE / "encoder", {})
    if not embeddings.exists():
        np.save(embeddings, embed(build(ENCODER), clothes.pixels, DEVICE))
    np.save(PLACE / "pixels.npy", clothes.pixels)
    frozen = clothes.right(probed(clothes, np.load(embeddings)))
    by_hand = clothes.right(tuned(clothes, BY_HAND))
    what = f"clothing photographs, {len(clothes.names)} native labels, {len(clothes.test)} of test senders"
    claims = [
        alone(f"{what}: frozen lite0 at 224 px + logistic regression", frozen),
        alone(f"{what}: lite0 fine-tuned by hand", by_hand),
        lead(f"{what}: by hand over the frozen encoder", by_hand, frozen, MIN_LEAD),
    ]
    publish("clothing", claims)  # the search takes a while
    ledger = Ledger(PLACE / SEARCH.fingerprint()[:12] / "ledger.sqlite")
    outcome = run_search(SEARCH, objective(clothes), ledger, "photographs", _tell)
    if outcome.winner is None:
        raise RuntimeError(f"the search found nothing: {outcome.sentence(SEARCH)}")
    found = clothes.right(tuned(clothes, replace(outcome.winner.recipe, name="found")))
    claims += [
        alone(f"{what}: what a search of 6 candidates found", found),
        lead(f"{what}: what it found over the recipe by hand", found, by_hand, 0.0),
    ]
    publish("clothing", claims)


def alone(what: str, right: NDArray[np.float64]) -> Claim:
    """How often it is right."""
    top1 = crossed_estimate(right)
    return figure(f"{what} (95 % within {top1.low:.3f} to {top1.high:.3f})", top1.value, "")


def lead(what: str, first: NDArray[np.float64], second: NDArray[np.float64], bar: float) -> Claim:
    """By how many points the first is right more often than the second, picture by picture."""
    over = crossed_estimate(first - second)
    within = f"95 % within {100 * over.low:.1f} to {100 * over.high:.1f}"
    return at_least(f"{what} ({within})", 100 * over.value, bar, "points")


def probed(clothes: Clothes, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """The test photographs' labels by logistic regression on a frozen encoder, of the weight decay that suits best."""
    train = Labelled(embeddings[clothes.training], clothes.labels[clothes.training, 0])
    truth = clothes.labels[clothes.validation, 0]
    probes = list(fit_linear_probes(train, PROBE_WEIGHT_DECAYS, DEVICE))
    best = max(probes, key=lambda probe: float((probe.predict(embeddings[clothes.validation]) == truth).mean()))
    return best.predict(embeddings[clothes.test])


def tuned(clothes: Clothes, recipe: ClassifierRecipe) -> NDArray[np.int64]:
    """The test photographs' labels by a fine-tuned classifier."""
    best: NDArray[np.int64] = predict(trained(clothes, recipe), clothes.pixels[clothes.test], DEVICE)[-1].ids[:, 0]
    return best


def trained(clothes: Clothes, recipe: ClassifierRecipe) -> Classifier:
    """A fine-tuned classifier, or the one that an earlier run left."""
    folder = PLACE / f"{recipe.name}-{fingerprint(recipe)[:12]}"
    if not (folder / "classifier.json").exists():
        examples = Examples(inputs=clothes.pixels[clothes.training], labels=clothes.labels[clothes.training])
        watch = Watch(checkpoint=folder / "checkpoint.pt", on_epoch=_tell)
        train_classifier(recipe, build(ENCODER), examples, DEVICE, watch).classifier.save(folder, {})
    return Classifier.load(folder)


def objective(clothes: Clothes) -> Finetuning:
    """What a trial is worth: accuracy on validation senders."""
    material = Material(encoder=PLACE / "encoder", embeddings=PLACE / "embeddings.npy", pixels=PLACE / "pixels.npy")
    return Finetuning(
        base=SEARCH.base,
        library={ENCODER.name: material},
        labels=clothes.labels,
        training=clothes.training,
        validation=clothes.validation,
        score=Score(SEARCH.metric),
        device=str(DEVICE),
        num_threads=num_cores(),
    )


def _tell(*what: object) -> None:
    print(*what, flush=True)


if __name__ == "__main__":
    main()
