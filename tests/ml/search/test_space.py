"""Search spaces: reproducible, evenly spread candidates, each of which is a recipe."""

import json
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.recipe_types import Mixing
from ml.recipes import FINETUNE_5PCT, PROBE
from ml.search.budget import Budget
from ml.search.recipe import SEARCH_RECIPES
from ml.search.space import Candidate, Space, augmentation_of
from resources.recipes import PRESETS
from tests.ml.search.formula import SEARCH, SPACE


@given(num=st.integers(1, 40), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_candidates_depend_on_the_seed_and_lie_in_the_space(num: int, seed: int) -> None:
    candidates = SPACE.spread(num, seed)
    assert candidates == SPACE.spread(num, seed)
    for candidate in candidates:
        for name, values in SPACE.choices().items():
            assert getattr(candidate, name) in values
        for name, (low, high) in SPACE.ranges().items():
            assert low <= getattr(candidate, name) <= high
    counts = Counter(candidate.encoder for candidate in candidates)
    assert max(counts.values()) - min((counts[each] for each in SPACE.encoders), default=0) <= 1


@given(num=st.integers(1, 30))
@settings(deadline=None)
def test_each_equal_part_of_a_range_has_one_candidate(num: int) -> None:
    low, high = SPACE.lr
    rates = np.array([candidate.lr for candidate in SPACE.spread(num, 3)])
    parts = np.floor(num * np.log(rates / low) / np.log(high / low) + 1e-9).astype(int).clip(max=num - 1)
    assert sorted(parts) == list(range(num))


def test_a_candidate_read_from_json_has_the_same_name() -> None:
    for candidate in SPACE.spread(5, 1):
        again = Candidate.of(json.loads(json.dumps(asdict(candidate))))
        assert again == candidate
        assert again.trial == candidate.trial
    assert len({candidate.trial for candidate in SPACE.spread(30, 1)}) == 30


def test_the_recipe_of_a_candidate_changes_only_searched_settings() -> None:
    base = replace(FINETUNE_5PCT, label_fraction=0.3, projector_dim=64, seed=5)
    [candidate] = SPACE.spread(1, 0)
    recipe = candidate.recipe(base, "name", 6)
    optimization = replace(
        base.optimization,
        epochs=6,
        warmup_epochs=recipe.optimization.warmup_epochs,
        lr=candidate.lr,
        encoder_lr_factor=candidate.encoder_lr_factor,
        weight_decay=candidate.weight_decay,
    )
    assert recipe.optimization.warmup_epochs == pytest.approx(0.6)
    assert recipe == replace(
        base,
        name="name",
        encoder=candidate.encoder,
        optimization=optimization,
        label_smoothing=candidate.label_smoothing,
        augmentation=augmentation_of(candidate.augmentation),
    )


def test_the_probe_of_a_candidate_is_linear_and_keeps_heads_loss_and_labels() -> None:
    base = replace(FINETUNE_5PCT, label_fraction=0.3, projector_dim=64, heads="flat", mixing=Mixing(), patience=3)
    [candidate] = SPACE.spread(1, 0)
    recipe = candidate.probe_recipe(base, "name")
    assert recipe == replace(
        PROBE,
        name="name",
        encoder=candidate.encoder,
        heads="flat",
        depth_weights=base.depth_weights,
        loss=base.loss,
        label_fraction=0.3,
        seed=base.seed,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": ()}, "encoder choices"),
        ({"encoders": ("a", "a")}, "none twice"),
        ({"lr": (0.0, 1.0)}, "lr from 0.0 to 1.0"),
        ({"weight_decay": (0.2, 0.1)}, "weight_decay from 0.2 to 0.1"),
    ],
)
def test_an_invalid_space_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Space(**{"encoders": ("a",), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eta": 1}, "eta 1; give at least 2"),
        ({"num_rungs": 1}, "num_rungs 1"),
        ({"base": replace(FINETUNE_5PCT, loss="value_weighted")}, "trains on labeled images alone"),
        ({"metric": "top-1"}, "unknown metric 'top-1'; similar names: top1"),
    ],
)
def test_an_invalid_search_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SEARCH, **changes)  # type: ignore[arg-type]


def test_an_unknown_search_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        ValueError, match="unknown search recipe 'libary'; similar names: library; available: library, quick"
    ):
        PRESETS.search("libary")
    assert PRESETS.search("quick") is SEARCH_RECIPES["quick"]


def test_the_fingerprint_ignores_only_goal_budget_and_trials() -> None:
    same = replace(SEARCH, goal=0.5, budget=Budget(full_trainings=1.0), max_trials=3, searcher="optuna", name="other")
    assert same.fingerprint() == SEARCH.fingerprint()
    for change in ({"seed": 1}, {"eta": 4}, {"metric": "top5"}, {"space": replace(SPACE, epochs=(3,))}):
        assert replace(SEARCH, **change).fingerprint() != SEARCH.fingerprint()  # type: ignore[arg-type]
