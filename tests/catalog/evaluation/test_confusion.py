import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import confusion_matrix

from catalog.evaluation.confusion import (
    confusion_cells,
    draw_confusion,
    largest_confusions,
    leaf_table,
    most_valuable,
    read_confusion,
)

NAMES = {1: "T-Shirts", 2: "Shirts", 3: "Bags"}
VALUES = {1: 1000.0, 2: 400.0}

pairs = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=60)


def cells_of(drawn: list[tuple[int, int]], values: dict[int, float] | None = None) -> pl.DataFrame:
    pairs = pl.DataFrame(drawn, schema={"true_id": pl.Int64, "predicted_id": pl.Int64}, orient="row")
    return confusion_cells(pairs, values or {})


@given(pairs)
def test_the_cells_are_scikit_learns_matrix_with_rows_that_add_up_to_one(
    drawn: list[tuple[int, int]],
) -> None:
    cells = cells_of(drawn)
    matrix = np.zeros((6, 6), dtype=np.int64)
    for true_id, predicted_id, num in cells.select("true_id", "predicted_id", "num").iter_rows():
        matrix[true_id - 1, predicted_id - 1] = num
    true_ids, predicted_ids = zip(*drawn, strict=True)
    assert (matrix == confusion_matrix(true_ids, predicted_ids, labels=range(1, 7))).all()
    assert (cells["num"] > 0).all()
    assert cells.group_by("true_id").agg(pl.col("share_of_true").sum())["share_of_true"].to_list() == pytest.approx(
        [1.0] * len(set(true_ids))
    )


def test_a_cells_business_value_is_what_its_true_category_sells_times_its_share() -> None:
    cells = cells_of([(1, 1), (1, 1), (1, 1), (1, 2), (3, 1)], VALUES)
    assert cells.rows() == [(1, 1, 3, 0.75, 750.0), (1, 2, 1, 0.25, 250.0), (3, 1, 1, 1.0, 0.0)]
    assert dict(cells.schema) == {
        "true_id": pl.Int64,
        "predicted_id": pl.Int64,
        "num": pl.Int64,
        "share_of_true": pl.Float64,
        "business_value": pl.Float64,
    }


def test_no_sample_and_samples_without_a_label_or_a_prediction_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no sample to count"):
        cells_of([])
    with pytest.raises(ValueError, match="2 of 3 samples lack their label or their prediction"):
        confusion_cells(pl.DataFrame({"true_id": [1, None, 1], "predicted_id": [1, 2, None]}), {})


def test_the_cells_of_a_level_are_read_from_the_predictions_files(tmp_path: Path) -> None:
    rows = pl.DataFrame({"true_4": [1, 1, 3], "top_4": [[1, 2], [2, 1], [3, 1]]})
    files = [str(tmp_path / f"{n}.parquet") for n in range(2)]
    rows[:2].write_parquet(files[0])
    rows[2:].write_parquet(files[1])
    assert read_confusion(files, 4, VALUES).equals(cells_of([(1, 1), (1, 2), (3, 3)], VALUES))


def test_the_leaf_table_has_recall_precision_and_the_cost_of_mistakes() -> None:
    cells = cells_of([(1, 1), (1, 1), (1, 1), (1, 2), (2, 3), (2, 3), (2, 1), (3, 3)], VALUES)
    table = leaf_table(cells, [1, 2, 3], NAMES)
    assert table.rows(named=True) == [
        {
            "category": "T-Shirts",
            "num": 4,
            "value": 1000.0,
            "recall": 0.75,
            "precision": 0.75,
            "value_missed": 250.0,
            "most_confused_with": "Shirts",
            "share_confused": 0.25,
        },
        {
            "category": "Shirts",
            "num": 3,
            "value": pytest.approx(400.0),
            "recall": 0.0,
            "precision": 0.0,
            "value_missed": pytest.approx(400.0),
            "most_confused_with": "Bags",
            "share_confused": pytest.approx(2 / 3),
        },
        {
            "category": "Bags",
            "num": 1,
            "value": 0.0,
            "recall": 1.0,
            "precision": pytest.approx(1 / 3),
            "value_missed": 0.0,
            "most_confused_with": None,
            "share_confused": None,
        },
    ]


def test_the_most_valuable_categories_are_ranked_among_those_with_samples() -> None:
    cells = cells_of([(1, 1), (2, 2), (3, 3), (4, 4), (4, 5)])
    values = {1: 10.0, 2: 50.0, 9: 1000.0}
    assert most_valuable(cells, values, 2) == [2, 1]
    assert most_valuable(cells, values, 9) == [2, 1, 4, 3]  # without a value, those with more samples first


def test_the_largest_confusions_are_sentences_most_expensive_first() -> None:
    drawn = [(2, 2)] * 443 + [(2, 1)] * 97 + [(1, 1)] * 995 + [(1, 2)] * 5 + [(3, 2)] * 300 + [(3, 3)] * 1200
    cells = cells_of(drawn, VALUES)
    assert largest_confusions(cells, NAMES, 3) == [
        "18 % of Shirts are predicted as T-Shirts (97 of 540)",
        "0.5 % of T-Shirts are predicted as Shirts (5 of 1,000)",
        "20 % of Bags are predicted as Shirts (300 of 1,500)",
    ]
    assert len(largest_confusions(cells, NAMES, 1)) == 1


def test_without_mistakes_there_is_no_confusion() -> None:
    assert largest_confusions(cells_of([(1, 1), (2, 2)]), NAMES, 3) == []


def gray(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("L"))


def test_the_matrix_is_dark_on_the_diagonal_only_for_a_good_classifier() -> None:
    def darkness_of_places(drawn: list[tuple[int, int]]) -> list[list[bool]]:
        # Cells are the large areas: the share of dark pixels of each quarter of the matrix.
        dark = gray(draw_confusion(cells_of(drawn), [1, 2], NAMES)) < 80
        rows, columns = np.flatnonzero(dark.mean(axis=1) > 0.15), np.flatnonzero(dark.mean(axis=0) > 0.15)
        matrix = dark[rows[0] : rows[-1], columns[0] : columns[-1]]
        half_height, half_width = (side // 2 for side in matrix.shape)
        return [
            [bool(part.mean() > 0.5) for part in (half[:, :half_width], half[:, half_width:])]
            for half in (matrix[:half_height], matrix[half_height:])
        ]

    assert darkness_of_places([(1, 1), (2, 2)]) == [[True, False], [False, True]]
    assert darkness_of_places([(1, 2), (2, 1)]) == [[False, True], [True, False]]


def test_predictions_outside_the_drawn_categories_are_a_column_of_their_own() -> None:
    inside = gray(draw_confusion(cells_of([(1, 1), (2, 2)]), [1, 2], NAMES))
    outside = gray(draw_confusion(cells_of([(1, 1), (2, 3)]), [1, 2], NAMES))
    assert outside.shape[1] > inside.shape[1]


def test_fifty_categories_with_long_names_are_drawn() -> None:
    rng = np.random.default_rng(0)
    true_ids = rng.permutation(np.arange(600) % 60)
    predicted_ids = np.where(rng.random(600) < 0.7, true_ids, rng.integers(60, size=600))
    cells = cells_of(list(zip(true_ids.tolist(), predicted_ids.tolist(), strict=True)))
    names = {category_id: f"A category whose name is long, number {category_id}" for category_id in range(60)}
    height, width = gray(draw_confusion(cells, most_valuable(cells, {}, 50), names)).shape
    assert height > 1000
    assert width > 1000


def test_a_category_that_cannot_be_drawn_is_named() -> None:
    cells = cells_of([(1, 1)])
    with pytest.raises(ValueError, match=r"categories \[2\] have no sample"):
        draw_confusion(cells, [1, 2], NAMES)
    with pytest.raises(ValueError, match="no category to draw"):
        draw_confusion(cells, [], NAMES)


def test_drawing_loads_no_pyplot_and_importing_no_matplotlib() -> None:
    script = """
import sys
import polars as pl
from catalog.evaluation.confusion import draw_confusion
assert "matplotlib" not in sys.modules
cells = pl.DataFrame({"true_id": [1], "predicted_id": [1], "share_of_true": [1.0]})
draw_confusion(cells, [1], {})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
