"""Search: accuracy of its winner and its device seconds, compared with full fine-tuning of every candidate.

make bench NAME=search

A quarter of an hour on two cores. Four encoders at 48 px, of which `benchmarks.starting_weights` pretrained two, and 24
candidates over them, on 1,000 labels of Fashion-MNIST's training images, evaluated on 2,000 others of them.
Every training is recorded in a ledger in `.bench/search`, from which an interrupted run resumes; remove that folder to
measure again.
"""

import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.claims import Claim, at_most, at_most_times, figure, publish
from benchmarks.peers import BENCH
from benchmarks.starting_weights import DEVICE, LITE0, SIMCLR_LITE0, Collection, cached_encoder, fashion
from catalog.storage.cores import num_cores
from ml.encoders.encoder import build, embed
from ml.recipes import FINETUNE_5PCT, RANDOM_MNV3, SIMCLR_MNV3
from ml.search import run_search
from ml.search.budget import Budget
from ml.search.halving import RunRung
from ml.search.ledger import Ledger
from ml.search.metrics import Score
from ml.search.objective import Finetuning, SearchData
from ml.search.outcome import SearchOutcome
from ml.search.recipe import SearchRecipe
from ml.search.space import Space
from ml.search.trials import run_rung

FOLDER = BENCH / "search"
NUM_LABELS, NUM_VALIDATION = 1_000, 2_000
MAX_SHARE, MAX_LOST = 0.2, 0.5  # of the device seconds; points

ENCODERS = {
    "random-mnv3": lambda clothes: build(RANDOM_MNV3),
    "simclr-mnv3": lambda clothes: cached_encoder(SIMCLR_MNV3, clothes),
    "imagenet-lite0-48": lambda clothes: build(LITE0),
    "simclr-imagenet-lite0-48": lambda clothes: cached_encoder(SIMCLR_LITE0, clothes, LITE0),
}
SEARCH = SearchRecipe(
    name="benchmark",
    space=Space(encoders=tuple(ENCODERS), epochs=(12,)),
    base=replace(FINETUNE_5PCT, label_fraction=1.0),
    budget=Budget(seconds=24 * 3600.0),
    max_trials=24,
)


def main() -> None:
    """Searches, trains all candidates in full, searches with half the seconds, and publishes."""
    torch.set_num_threads(num_cores())
    objective, embedding_s = prepare(fashion())
    searched = Ledger(FOLDER / "searched" / "ledger.sqlite")
    outcome = run_search(SEARCH, objective, searched, "clothes", _log)
    print(outcome.sentence(SEARCH), flush=True)
    in_full = train_all(objective)
    publish("search", claims(outcome, embedding_s, in_full) + under_a_budget(objective, outcome.device_seconds / 2))


def prepare(clothes: Collection) -> tuple[Finetuning, float]:
    """Returns the objective over the four encoders, and the device seconds of embedding its images."""
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(clothes.trainable, NUM_LABELS + NUM_VALIDATION, replace=False))
    pixels = clothes.pixels(LITE0.resolution)[drawn]
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.save(FOLDER / "pixels.npy", pixels)
    library, took_s = {}, 0.0
    for name, start in ENCODERS.items():
        encoder = start(clothes)
        encoder.save(FOLDER / name, {})
        started = time.perf_counter()
        np.save(FOLDER / name / "embeddings.npy", embed(encoder, pixels, DEVICE))
        took_s += time.perf_counter() - started
        library[name] = SearchData(
            encoder=FOLDER / name, embeddings=FOLDER / name / "embeddings.npy", pixels=FOLDER / "pixels.npy"
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


def train_all(objective: Finetuning) -> Ledger:
    """Trains every candidate for all its epochs; returns the ledger."""
    ledger = Ledger(FOLDER / "in-full" / "ledger.sqlite")
    with ledger.opened(SEARCH.fingerprint()):
        done = {attempt.trial for attempt in ledger.attempts() if attempt.metric is not None}
        for number, candidate in enumerate(SEARCH.space.spread(SEARCH.bracket_size, SEARCH.seed)):
            if candidate not in ledger.proposals():
                ledger.propose(candidate)
            if candidate.trial not in done:
                run_rung(RunRung(candidate, SEARCH.last_rung), SEARCH, objective, ledger)
                print(f"in full, {number + 1} of {SEARCH.bracket_size}:", ledger.attempts()[-1], flush=True)
    return ledger


def claims(outcome: SearchOutcome, embedding_s: float, in_full: Ledger) -> list[Claim]:
    """Compares the winner of the search with the best candidate, and its cost with that of training all."""
    if outcome.winner is None:
        raise RuntimeError(f"the search found nothing: {outcome.sentence(SEARCH)}; see the ledger in {FOLDER}")
    reached = {attempt.trial: attempt.metric for attempt in in_full.attempts() if attempt.metric is not None}
    best = max(reached.values())
    found = outcome.winner.metric
    rank = 1 + sum(metric > found for metric in reached.values())
    subject = f"{SEARCH.bracket_size} candidates over {len(ENCODERS)} encoders, {NUM_LABELS:,} labels of Fashion-MNIST"
    spent_s = outcome.device_seconds + embedding_s
    spread = f"candidates range from {100 * min(reached.values()):.1f} to {100 * best:.1f} %"
    return [
        at_most_times(
            f"{subject}: a search, embedding included, against full fine-tuning of all",
            spent_s,
            in_full.device_seconds,
            MAX_SHARE,
            "device seconds",
        ),
        at_most(
            f"{subject}: validation accuracy lost by the winner of the search, rank {rank}; {spread}",
            100 * (best - found),
            MAX_LOST,
            "points",
        ),
    ]


def under_a_budget(objective: Finetuning, budget_s: float) -> list[Claim]:
    """Runs the same search with an unreachable goal and too small a budget."""
    recipe = replace(SEARCH, budget=Budget(seconds=budget_s), goal=1.0)
    ledger = Ledger(FOLDER / "budget" / "ledger.sqlite")
    outcome = run_search(recipe, objective, ledger, "clothes", _log)
    print(outcome.sentence(recipe), flush=True)
    longest_s = max(attempt.device_seconds for attempt in ledger.attempts())
    over_s = max(0.0, outcome.device_seconds - budget_s)
    subject = f"a search with {budget_s:.0f} device seconds and a goal out of reach"
    found = "no trial finished" if outcome.winner is None else f"its winner reached {100 * outcome.winner.metric:.1f} %"
    return [
        at_most(f"{subject}: overspending, as a multiple of its longest rung", over_s / longest_s, 1.0, "rungs"),
        figure(f"{subject}: spent; {found}", outcome.device_seconds, "device seconds"),
    ]


def _log(*subject: object) -> None:
    print(*subject, flush=True)


if __name__ == "__main__":
    main()
