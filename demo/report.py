"""Report of a demo run; every figure is read from the warehouse."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from catalog.images.statuses import Status
from catalog.storage.read_only import query

# Shares of links that a published catalog of 36 million products lost.
PUBLISHED = {"invalid link": 0.01, "not downloadable": 0.12}

EXAMPLE = """SELECT partner_id, count(*) AS products, count(*) FILTER (status = 'ok') AS images
FROM products JOIN outcomes USING (product_id) GROUP BY ALL ORDER BY ALL"""

TRIALS = """SELECT search, encoder, rung, count(*) AS trials, max(metric) AS best, sum(device_seconds) AS device_s
FROM trials GROUP BY ALL ORDER BY ALL"""
STUDENTS = """SELECT student, role, classifier, top1, top1_low AS low, top1_high AS high,
num_parameters / 1e6 AS params_m, ms_per_image AS ms, mib FROM students ORDER BY student, role"""
UNIVERSAL = """SELECT depth, sum(num)::BIGINT AS products, avg(probability) AS probability
FROM catalog_coverage GROUP BY depth ORDER BY depth"""
CONFIDENCE = """SELECT classifier, requested_coverage, coverage, coverage_low AS low, coverage_high AS high, mean_depth
FROM confidence ORDER BY ALL"""


def report(root: Path) -> str:
    """Returns the report as text."""
    return "\n".join(_sections(root, root / "catalog.duckdb"))


def _sections(root: Path, database: Path) -> Iterator[str]:
    yield _heading("Comparison: every classifier on the golden images, which are never trained on")
    yield comparison(database)
    champion, reason = query(database, "SELECT classifier, reason FROM champion").row(0)
    yield f"Champion, selected by value-weighted accuracy on the validation split: {champion}\n  {reason}"
    yield from _found(database)

    yield _heading("Downloads, compared with published rates")
    yield _table(_downloads(database))
    yield _table(
        query(
            database,
            "SELECT status, sum(num)::BIGINT AS links FROM outcomes_by_partner GROUP BY 1 ORDER BY 2 DESC",
        )
    )

    yield _heading("The three largest confusions of the champion on golden")
    yield from _confusions(database, champion)

    yield from _universal(database)

    yield _heading("Example query (DuckDB, read-only, always current)")
    yield f"{EXAMPLE};"
    yield _table(query(database, EXAMPLE))

    yield _heading("Files and services")
    yield f"tables      {root}/*/  (Parquet)      views   {database}"
    yield f"encoders    {root}/encoders/*/        classifiers   {root}/classifiers/*/  (safetensors + JSON)"
    yield "web UI      make ui                   then http://127.0.0.1:3000 (Dagster), http://127.0.0.1:5000 (MLflow)"


def _found(database: Path) -> Iterator[str]:
    """Yields the search, the students, the confidence and the decisions; nothing where none was run."""
    if not {"trials", "students", "confidence"} <= set(
        query(database, "SELECT view_name FROM duckdb_views()")["view_name"]
    ):
        return
    yield _heading("Search: probes of embeddings, then longer trainings of fewer candidates")
    yield _table(query(database, TRIALS))
    yield _heading("Distillation: the student and its teacher, on golden")
    yield _table(query(database, STUDENTS))
    yield _heading("Coverage of predictions that back off along the taxonomy, on golden")
    yield _table(query(database, CONFIDENCE))
    yield _heading("Decisions about the champion")
    for candidate, reason in query(database, "SELECT candidate, reason FROM champion_decisions").iter_rows():
        yield f"{candidate}: {reason}"


def _universal(database: Path) -> Iterator[str]:
    """Yields the number of classified products by depth; nothing where no champion was deployed."""
    if "catalog_coverage" not in set(query(database, "SELECT view_name FROM duckdb_views()")["view_name"]):
        return
    yield _heading("Universal catalog: a category for every product with an image, as deep as 90 % coverage allows")
    yield _table(query(database, UNIVERSAL))
    num, classifier, version = query(
        database, "SELECT count(*), any_value(classifier), any_value(version) FROM universal_catalog"
    ).row(0)
    differ = query(database, "SELECT count(*) FROM catalog_disagreements").item()
    yield f"{num:,} products by {classifier} ({version}); {differ:,} of them differ from the partner's label"


def comparison(database: Path) -> str:
    """Returns the table of all evaluated classifiers, best first."""
    return _table(
        query(
            database,
            """SELECT classifier, num_labels AS labels, top1, top1_low AS low, top1_high AS high,
               value_weighted_accuracy AS by_value, macro_f1, training_seconds AS train_s,
               num_parameters / 1e6 AS params_m, ms_per_image AS ms
               FROM comparison ORDER BY top1 DESC""",
        )
    )


def _downloads(database: Path) -> pl.DataFrame:
    counts = query(database, "SELECT status, sum(num)::BIGINT AS num FROM outcomes_by_partner GROUP BY 1")
    by_status = dict(counts.iter_rows())
    total = sum(by_status.values())
    invalid = by_status.get(Status.INVALID_URL.value, 0)
    lost = total - invalid - by_status.get(Status.OK.value, 0)
    return pl.DataFrame(
        {
            "outcome": list(PUBLISHED),
            "links": [invalid, lost],
            "share": [invalid / total, lost / total],
            "published": list(PUBLISHED.values()),
        }
    )


def _confusions(database: Path, champion: str) -> Iterator[str]:
    rows = query(
        database,
        """SELECT share_of_true, true_name, predicted_name, num FROM worst_confusions
           WHERE classifier = ? AND split = 'golden' AND level = 4 ORDER BY num DESC, true_name LIMIT 3""",
        [champion],
    )
    for share, true_name, predicted_name, num in rows.iter_rows():
        yield f"{share:.0%} of {true_name} are predicted as {predicted_name} ({num} images)"


def _heading(text: str) -> str:
    return f"\n{text}\n{'─' * len(text)}"


def _table(frame: pl.DataFrame) -> str:
    with pl.Config(
        tbl_formatting="NOTHING",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=160,
        fmt_str_lengths=60,
        float_precision=3,
    ):
        return str(frame)
