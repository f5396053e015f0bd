"""The warehouse: one DuckDB file of views over the store's tables, for whoever asks in SQL.

It holds no data, so it is never behind a table that is rewritten, and a new one takes its place by renaming,
so no writer ever locks a reader out. The keys of the partition folders (delivery, classifier, split) are
columns of the views, as text, whether or not the files hold them too; the folder's is the one that counts.

DuckDB opens a file once for its footer and again for its rows. A statement that meets a file just then
replaced fails (its bytes do not fit the footer) and succeeds when asked again, as `query` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
import polars as pl
from upath import UPath

from catalog.files import LOCAL_PROTOCOLS
from catalog.tables import TABLES, Table

MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class Documents:
    """JSON files of the store, one a row; by default the view has the folder's name and the whole file."""

    files: str
    columns: str = "split(filename, '/')[-2] AS name, json AS description"


DOCUMENTS: dict[str, Documents] = {
    "deliveries": Documents(
        "deliveries/*.json",
        "json->>'key' AS delivery, array_to_string(split(json->>'key', '.')[1:2], '.') AS feed_key, "
        "json->>'feed' AS feed, (json->>'received_at')::TIMESTAMPTZ AS received_at, json->>'sha256' AS sha256, "
        "(json->'part'->>'first_row')::BIGINT AS first_row, (json->'part'->>'num_rows')::BIGINT AS num_rows",
    ),
    "encoders": Documents("encoders/*/encoder.json"),
    "classifiers": Documents("classifiers/*/classifier.json"),
    "similarity_indexes": Documents(
        "similarity_index/*/index.json",
        "split(filename, '/')[-2] AS encoder, json->>'kind' AS kind, (json->>'num_vectors')::BIGINT AS num_vectors, "
        "(json->>'dim')::BIGINT AS dim, (json->>'bytes')::BIGINT AS bytes, "
        "(json->>'recall_at_10')::DOUBLE AS recall_at_10",
    ),
    "champion": Documents(
        "champion/champion.json",
        "json->>'classifier' AS classifier, json->>'split' AS split, json->>'metric' AS metric, "
        "(json->>'value')::DOUBLE AS value, (json->>'trainable_labels')::BIGINT AS trainable_labels, "
        "json->>'sha256' AS sha256, json->>'reason' AS reason, json->>'version' AS version",
    ),
}


@dataclass(frozen=True)
class Question:
    """A view that answers what people ask, made where the tables that it reads exist."""

    reads: tuple[str, ...]
    sql: str


QUESTIONS: dict[str, Question] = {
    "current_products": Question(  # as `catalog.succession.current_products` says it
        ("products", "deliveries"),
        """
        SELECT products.*
        FROM products
        JOIN (SELECT delivery, feed_key, max(received_at) OVER (PARTITION BY feed_key) AS newest FROM deliveries)
        USING (delivery)
        QUALIFY row_number() OVER (
            PARTITION BY product_id ORDER BY removed_at IS NOT NULL, newest DESC, feed_key DESC, delivery, row
        ) = 1
        """,
    ),
    "outcomes_by_partner": Question(
        ("outcomes", "products"),
        """
        SELECT partner_id AS partner, status, count(*) AS num,
               count(*) / sum(count(*)) OVER (PARTITION BY partner_id) AS share
        FROM outcomes JOIN products USING (product_id, delivery)
        GROUP BY partner_id, status
        ORDER BY partner, num DESC, status
        """,
    ),
    "probe_by_partner": Question(  # of the links that were still to be fetched; each stands for `weight` of them
        ("download_probe",),
        """
        SELECT partner_id AS partner, status, count(*) AS num, sum(weight) AS links,
               sum(weight) / sum(sum(weight)) OVER (PARTITION BY partner_id) AS share
        FROM download_probe
        GROUP BY partner_id, status
        ORDER BY partner, links DESC, status
        """,
    ),
    "link_rot_by_partner": Question(  # of the links whose picture was downloaded, by the last sample asked again
        ("link_rot",),
        """
        SELECT partner_id AS partner, fate, count(*) AS num, sum(weight) AS links,
               sum(weight) / sum(sum(weight)) OVER (PARTITION BY partner_id) AS share
        FROM link_rot
        GROUP BY partner_id, fate
        ORDER BY partner, links DESC, fate
        """,
    ),
    "drift_by_partner": Question(  # the worst of each partner's deliveries; the energy is that of one encoder
        ("drift", "embedding_drift"),
        """
        SELECT partner_id AS partner, encoder, count(*) AS deliveries, max(beyond_chance) AS beyond_chance,
               max(energy) AS energy, sum(share_unsure * num_products) / sum(num_products) AS share_unsure,
               sum(share_lost * num_products) / sum(num_products) AS share_lost
        FROM drift JOIN embedding_drift USING (delivery)
        GROUP BY partner_id, encoder
        ORDER BY energy DESC, partner, encoder
        """,
    ),
    "accuracy_by_classifier": Question(  # of leaves
        ("metrics",),
        """
        SELECT classifier, split,
               any_value(value) FILTER (metric = 'value_weighted_accuracy') AS value_weighted_accuracy,
               any_value(ci_low) FILTER (metric = 'value_weighted_accuracy') AS value_weighted_low,
               any_value(ci_high) FILTER (metric = 'value_weighted_accuracy') AS value_weighted_high,
               any_value(value) FILTER (metric = 'top1') AS top1,
               any_value(ci_low) FILTER (metric = 'top1') AS top1_low,
               any_value(ci_high) FILTER (metric = 'top1') AS top1_high,
               max(num_samples) AS num_samples
        FROM metrics
        WHERE level = 4
        GROUP BY classifier, split
        ORDER BY split, value_weighted_accuracy DESC NULLS LAST, top1 DESC, classifier
        """,
    ),
    "quality_by_encoder": Question(  # of all judged pictures; by category they are in encoder_quality
        ("encoder_quality",),
        """
        SELECT encoder,
               any_value(value) FILTER (metric = 'knn_top1') AS knn_top1,
               any_value(ci_low) FILTER (metric = 'knn_top1') AS knn_low,
               any_value(ci_high) FILTER (metric = 'knn_top1') AS knn_high,
               any_value(value) FILTER (metric = 'linear_top1') AS linear_top1,
               any_value(ci_low) FILTER (metric = 'linear_top1') AS linear_low,
               any_value(ci_high) FILTER (metric = 'linear_top1') AS linear_high,
               any_value(value) FILTER (metric = 'recall_at_1') AS recall_at_1,
               any_value(value) FILTER (metric = 'recall_at_5') AS recall_at_5,
               any_value(value) FILTER (metric = 'mean_average_precision') AS mean_average_precision,
               any_value(value) FILTER (metric = 'effective_rank') AS effective_rank,
               any_value(value) FILTER (metric = 'uniformity') AS uniformity,
               any_value(value) FILTER (metric = 'alignment') AS alignment
        FROM encoder_quality
        WHERE category_id IS NULL
        GROUP BY encoder
        ORDER BY knn_top1 DESC, encoder
        """,
    ),
    "picture_and_title": Question(  # of leaves; `better` is the better of picture and title alone
        ("multimodal",),
        """
        SELECT encoder, label_fraction, split,
               any_value(top1) FILTER (inputs = 'picture') AS picture,
               any_value(top1) FILTER (inputs = 'title') AS title,
               any_value(top1) FILTER (inputs = 'late') AS late,
               any_value(top1) FILTER (inputs = 'joint') AS joint,
               any_value(single) AS better,
               any_value(over_single) FILTER (inputs = 'late') AS late_over_better,
               any_value(over_single) FILTER (inputs = 'joint') AS joint_over_better,
               max(num) AS num_samples
        FROM multimodal
        GROUP BY encoder, label_fraction, split
        ORDER BY split, label_fraction, encoder
        """,
    ),
    "worst_confusions": Question(  # of leaves, the costliest first
        ("confusion", "taxonomy"),
        """
        SELECT classifier, split, level, actual.name AS true_name, taken.name AS predicted_name, num,
               share_of_true, business_value, actual.path AS true_path, taken.path AS predicted_path
        FROM confusion
        LEFT JOIN taxonomy AS actual ON actual.category_id = true_id
        LEFT JOIN taxonomy AS taken ON taken.category_id = predicted_id
        WHERE level = 4 AND true_id <> predicted_id
        ORDER BY business_value DESC, num DESC, classifier, split, true_id, predicted_id
        """,
    ),
    "value_by_level": Question(  # how much of what is sold is placed right, level by level
        ("metrics",),
        """
        SELECT classifier, split, level, value AS value_weighted_accuracy, ci_low, ci_high, num_samples
        FROM metrics
        WHERE metric = 'value_weighted_accuracy'
        ORDER BY classifier, split, level
        """,
    ),
    "valuable_confusion": Question(  # the confusion matrix of the 50 most valuable leaves, the most valuable first
        ("confusion", "taxonomy"),
        """
        WITH leaves AS (
            SELECT classifier, split, true_id, sum(business_value) AS value, sum(num) AS num_true,
                   row_number() OVER (
                       PARTITION BY classifier, split ORDER BY sum(business_value) DESC, sum(num) DESC, true_id
                   ) AS place
            FROM confusion
            WHERE level = 4
            GROUP BY classifier, split, true_id
            QUALIFY place <= 50
        )
        SELECT classifier, split, place, actual.name AS true_name, taken.name AS predicted_name, num, num_true,
               share_of_true, business_value, actual.path AS true_path, taken.path AS predicted_path
        FROM confusion
        JOIN leaves USING (classifier, split, true_id)
        LEFT JOIN taxonomy AS actual ON actual.category_id = true_id
        LEFT JOIN taxonomy AS taken ON taken.category_id = predicted_id
        WHERE level = 4
        ORDER BY classifier, split, place, num DESC, predicted_id
        """,
    ),
    "catalogue_disagreements": Question(  # with partners' labels, what sells most first
        ("universal_catalogue", "products", "taxonomy"),
        """
        SELECT product_id, products.partner_id AS partner, title, image_url, delivery,
               labelled.path AS partner_path, catalogue.path AS catalogue_path, catalogue.probability, depth,
               business_value
        FROM universal_catalogue AS catalogue
        JOIN products USING (product_id, delivery)
        JOIN taxonomy AS labelled ON labelled.category_id = partner_category_id
        WHERE catalogue.category_id IS NOT NULL
          AND NOT starts_with(labelled.path || ' > ', catalogue.path || ' > ')
        ORDER BY business_value DESC NULLS LAST, catalogue.probability DESC, product_id
        """,
    ),
    "catalogue_coverage": Question(  # how deep answers go, by partner
        ("universal_catalogue", "products"),
        """
        SELECT partner_id AS partner, depth, count(*) AS num, avg(probability) AS probability,
               count(*) / sum(count(*)) OVER (PARTITION BY partner_id) AS share
        FROM universal_catalogue JOIN products USING (product_id, delivery)
        GROUP BY partner_id, depth
        ORDER BY partner, depth
        """,
    ),
    "products_without_picture": Question(  # and why
        ("products", "outcomes"),
        """
        SELECT products.*, coalesce(status, 'not asked for yet') AS reason
        FROM products LEFT JOIN outcomes USING (product_id, delivery)
        WHERE status IS DISTINCT FROM 'ok'
        ORDER BY partner_id, reason, product_id
        """,
    ),
    "moved_labels": Question(  # of products whose label a former version of the taxonomy explains
        ("products", "taxonomy_moves"),
        """
        SELECT version, old_id, kind, old_path, new_path, partner_id AS partner, count(*) AS num_products,
               ancestor_id, candidates, reason
        FROM (
            SELECT partner_id, regexp_extract(
                category_source, '^(?:moved|split|lost):(.*):([0-9]+)$', ['version', 'old_id']
            ) AS former
            FROM products
            WHERE regexp_matches(category_source, '^(moved|split|lost):')
        )
        JOIN taxonomy_moves ON version = former.version AND old_id = former.old_id::BIGINT
        GROUP BY ALL
        ORDER BY num_products DESC, version, old_id, partner
        """,
    ),
    "disagreements": Question(  # the surest first
        ("predictions", "dataset", "products", "taxonomy"),
        """
        SELECT classifier, predictions.split, product_id, products.partner_id AS partner, title, image_url,
               labelled.path AS partner_path, predicted.path AS predicted_path,
               probability_4[1] AS probability
        FROM predictions
        JOIN dataset USING (product_id)
        JOIN products USING (product_id, delivery)
        LEFT JOIN taxonomy AS labelled ON labelled.category_id = true_4
        LEFT JOIN taxonomy AS predicted ON predicted.category_id = top_4[1]
        WHERE true_4 <> top_4[1]
        ORDER BY probability DESC, classifier, product_id
        """,
    ),
}


def write_warehouse(database: Path, root: str) -> list[str]:
    """Writes the DuckDB file over the store at `root`; returns its views: a table without files has none yet.

    Whoever reads the former file goes on reading it, and the tables in their newest state through it.
    """
    root = _absolute(root)
    held = UPath(root)
    database.parent.mkdir(parents=True, exist_ok=True)
    temporary = database.with_name(f".{uuid4().hex}.writing")
    views: list[str] = []
    try:
        with duckdb.connect(temporary) as connection:
            for name, table in TABLES.items():
                if any(held.glob(table.files)):
                    connection.execute(_table_view(connection, name, table, root))
                    views.append(name)
            for name, documents in DOCUMENTS.items():
                if any(held.glob(documents.files)):
                    connection.execute(_document_view(name, documents, root))
                    views.append(name)
            for name, question in QUESTIONS.items():
                if set(question.reads) <= set(views):
                    connection.execute(f"CREATE VIEW {name} AS {question.sql}")
                    views.append(name)
        temporary.replace(database)
    finally:
        temporary.unlink(missing_ok=True)
    return views


def query(database: Path, sql: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
    """The answer to a question in SQL, with `?` for every parameter. The database is opened read-only."""
    if not database.is_file():
        raise FileNotFoundError(f"no warehouse at {str(database)!r}; materialise the asset warehouse")
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return _answer(database, sql, parameters)
        except duckdb.Error as error:
            if isinstance(error, duckdb.ProgrammingError):  # the question is at fault, not the moment
                raise
    return _answer(database, sql, parameters)


def _answer(database: Path, sql: str, parameters: Sequence[object]) -> pl.DataFrame:
    with duckdb.connect(database, read_only=True) as connection:
        return pl.DataFrame(connection.sql(sql, params=list(parameters)).to_arrow_table())


def _table_view(connection: duckdb.DuckDBPyConnection, name: str, table: Table, root: str) -> str:
    files = _files(root, table.files)
    source = files
    if not _is_uniform(connection, files):  # a delivery of last year may lack a column that this year's has
        source += ", union_by_name = true"  # only then: it reads every footer before the first row
    if table.keys:
        types = ", ".join(f"'{key}': VARCHAR" for key in table.keys)  # a delivery named 001 stays 001
        source += f", hive_partitioning = true, hive_types = {{{types}}}"
    return f"CREATE VIEW {name} AS SELECT * FROM read_parquet({source})"  # noqa: S608


def _is_uniform(connection: duckdb.DuckDBPyConnection, files: str) -> bool:
    """Whether all files have the same columns."""
    schemas = f"SELECT list((name, type)) AS columns FROM parquet_schema({files}) GROUP BY file_name"  # noqa: S608
    counted = connection.execute(f"SELECT count(DISTINCT columns) FROM ({schemas})").fetchone()  # noqa: S608
    return counted == (1,)


def _document_view(name: str, documents: Documents, root: str) -> str:
    source = f"{_files(root, documents.files)}, format = 'unstructured', filename = true"
    return f"CREATE VIEW {name} AS SELECT {documents.columns} FROM read_json_objects({source}) ORDER BY 1"  # noqa: S608


def _files(root: str, files: str) -> str:
    """The files as an SQL literal; a view takes no parameters, and the root may hold quotes and wildcards."""
    plain_root = "".join(f"[{character}]" if character in "*?[" else character for character in root)
    quoted = f"{plain_root.rstrip('/')}/{files}".replace("'", "''")
    return f"'{quoted}'"


def _absolute(root: str) -> str:
    path = UPath(root)
    return str(Path(path.path).absolute()) if path.protocol in LOCAL_PROTOCOLS else root
