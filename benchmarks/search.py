"""Search: the encoder and fine-tuning that it finds, and what it spends, beside full fine-tuning of every candidate.

make bench NAME=search

A quarter of an hour on two cores. Four encoders at 48 px, of which `benchmarks.starting_weights` pretrained two, and 24
candidates over them, on 1,000 labels of Fashion-MNIST's training pictures, judged on 2,000 others of them. Every
training is entered in a ledger below `.bench/search`, and a run that was cut off goes on from there; remove that folder
to measure anew.
"""

import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.claims import Claim, at_most, at_most_times, figure, publish
from benchmarks.peers import BENCH
from benchmarks.starting_weights import DEVICE, LITE0, SIMCLR_LITE0, Collection, fashion, made
from ml.encoders import build, embed
from ml.recipes import FINETUNE_5PCT, RANDOM_MNV3, SIMCLR_MNV3
from ml.search import run_search
from ml.search.halving import Outcome, Run
from ml.search.ledger import Ledger
from ml.search.metrics import Score
from ml.search.objective import Finetuning, Material
from ml.search.recipe import SearchRecipe
from ml.search.space import Space
from ml.search.trials import carry_out
from resources.compute import num_cores

PLACE = BENCH / "search"
NUM_LABELS, NUM_VALIDATION = 1_000, 2_000
MAX_SHARE, MAX_LOST = 0.2, 0.5  # of the device seconds; points

ENCODERS = {
    "random-mnv3": lambda clothes: build(RANDOM_MNV3),
    "simclr-mnv3": lambda clothes: made(SIMCLR_MNV3, clothes),
    "imagenet-lite0-48": lambda clothes: build(LITE0),
    "simclr-imagenet-lite0-48": lambda clothes: made(SIMCLR_LITE0, clothes, LITE0),
}
SEARCH = SearchRecipe(
    name="benchmark",
    space=Space(encoders=tuple(ENCODERS), epochs=(12,)),
    base=replace(FINETUNE_5PCT, label_fraction=1.0),
    budget_s=24 * 3600.0,
    max_trials=24,
)


def main() -> None:
    """Search, train everything in full, search with half the seconds, publish."""
    torch.set_num_threads(num_cores())
    objective, embedding_s = prepared(fashion())
    searched = Ledger(PLACE / "searched" / "ledger.sqlite")
    outcome = run_search(SEARCH, objective, searched, "clothes", _tell)
    print(outcome.sentence(SEARCH), flush=True)
    in_full = everything(objective)
    publish("search", claims(outcome, embedding_s, in_full) + under_a_budget(objective, outcome.device_seconds / 2))


def prepared(clothes: Collection) -> tuple[Finetuning, float]:
    """The objective over the four encoders, and the device seconds that embedding its pictures took."""
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(clothes.trainable, NUM_LABELS + NUM_VALIDATION, replace=False))
    pixels = clothes.pixels(LITE0.resolution)[drawn]
    PLACE.mkdir(parents=True, exist_ok=True)
    np.save(PLACE / "pixels.npy", pixels)
    library, took_s = {}, 0.0
    for name, start in ENCODERS.items():
        encoder = start(clothes)
        encoder.save(PLACE / name, {})
        started = time.perf_counter()
        np.save(PLACE / name / "embeddings.npy", embed(encoder, pixels, DEVICE))
        took_s += time.perf_counter() - started
        library[name] = Material(
            encoder=PLACE / name, embeddings=PLACE / name / "embeddings.npy", pixels=PLACE / "pixels.npy"
        )
    shuffled = rng.permutation(len(drawn))
    objective = Finetuning(
        base=SEARCH.base,
        library=library,
        labels=clothes.levels[drawn],
        training=np.sort(shuffled[:NUM_LABELS]),
        validation=np.sort(shuffled[NUM_LABELS:]),
        score=Score(SEARCH.metric),
        device=str(DEVICE),
        num_threads=num_cores(),
    )
    return objective, took_s


def everything(objective: Finetuning) -> Ledger:
    """Every candidate trained for all its epochs."""
    ledger = Ledger(PLACE / "in-full" / "ledger.sqlite")
    with ledger.opened(SEARCH.fingerprint()):
        done = {attempt.trial for attempt in ledger.attempts() if attempt.metric is not None}
        for number, candidate in enumerate(SEARCH.space.spread(SEARCH.bracket_size, SEARCH.seed)):
            if candidate.trial not in done:
                carry_out(Run(candidate, SEARCH.last_rung), SEARCH, objective, ledger)
                print(f"in full, {number + 1} of {SEARCH.bracket_size}:", ledger.attempts()[-1], flush=True)
    return ledger


def claims(outcome: Outcome, embedding_s: float, in_full: Ledger) -> list[Claim]:
    """What the search found and spent, beside the best and the cost of all."""
    if outcome.winner is None:
        raise RuntimeError(f"the search found nothing: {outcome.sentence(SEARCH)}; see the ledger in {PLACE}")
    reached = {attempt.trial: attempt.metric for attempt in in_full.attempts() if attempt.metric is not None}
    best = max(reached.values())
    found = reached[outcome.winner.candidate.trial]
    place = sorted(reached.values(), reverse=True).index(found) + 1
    what = f"{SEARCH.bracket_size} candidates over {len(ENCODERS)} encoders, {NUM_LABELS:,} labels of Fashion-MNIST"
    spent_s = outcome.device_seconds + embedding_s
    spread = f"all from {100 * min(reached.values()):.1f} to {100 * best:.1f} %"
    return [
        at_most_times(
            f"{what}: a search, embedding included, against full fine-tuning of all",
            spent_s,
            in_full.device_seconds,
            MAX_SHARE,
            "device seconds",
        ),
        at_most(
            f"{what}: points of validation accuracy lost by the search's winner, number {place} of all; {spread}",
            100 * (best - found),
            MAX_LOST,
            "points",
        ),
    ]


def under_a_budget(objective: Finetuning, budget_s: float) -> list[Claim]:
    """The same search with an unreachable goal and too small a budget."""
    recipe = replace(SEARCH, budget_s=budget_s, goal=1.0)
    ledger = Ledger(PLACE / "budget" / "ledger.sqlite")
    outcome = run_search(recipe, objective, ledger, "clothes", _tell)
    print(outcome.sentence(recipe), flush=True)
    longest_s = max(attempt.device_seconds for attempt in ledger.attempts())
    over_s = max(0.0, outcome.device_seconds - budget_s)
    what = f"a search with {budget_s:.0f} device seconds and a goal out of reach"
    found = "nothing finished" if outcome.winner is None else f"its winner reached {100 * outcome.winner.metric:.1f} %"
    return [
        at_most(f"{what}: what it spent beyond, in its longest rungs", over_s / longest_s, 1.0, "rungs"),
        figure(f"{what}: spent; {found}", outcome.device_seconds, "device seconds"),
    ]


def _tell(*what: object) -> None:
    print(*what, flush=True)


if __name__ == "__main__":
    main()
