"""Product record: everything that the store knows about one product, from the views of the warehouse."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shelfsight.explorer.database import Database
from shelfsight.explorer.errors import NotFoundError

# Deliveries of the product's partner alone are read, by the names of their folders.
HISTORY = """
SELECT * EXCLUDE (description, additional_image_urls), products.description AS description
FROM products WHERE starts_with(delivery, ? || '.') AND product_id = ?
"""
RECEIVED = "SELECT delivery, received_at FROM deliveries WHERE delivery IN (SELECT unnest(?::VARCHAR[]))"
OUTCOMES = """
SELECT delivery, status, http_status, final_url, attempts, width, height, sha256, shard, fetched_at
FROM outcomes WHERE starts_with(delivery, ? || '.') AND product_id = ?
"""
PREDICTIONS = """
SELECT delivery, category_id, depth, probability, leaf_id, leaf_probability, alternatives, path, leaf_path, classifier,
       classifier_sha256, version, changed_at, business_value
FROM universal_catalog WHERE starts_with(delivery, ? || '.') AND product_id = ?
"""
EVALUATED = """
SELECT classifier, split, true_4 AS label_id, top_4[1] AS predicted_id, probability_4[1] AS probability
FROM predictions WHERE product_id = ? ORDER BY classifier
"""
GROUP = "SELECT group_id, image_group_id, split, level_4 FROM dataset WHERE product_id = ?"
DUPLICATES = """
SELECT product_id, delivery, shard, sha256, image_group_id = ? AS is_same_image, level_4 FROM dataset
WHERE group_id = ? AND product_id <> ? ORDER BY is_same_image DESC, product_id LIMIT 24
"""
SUSPECT = "SELECT encoder, label_name, suggested_name, score FROM suspect_labels WHERE product_id = ? ORDER BY encoder"
REVIEWS = "SELECT * FROM reviews WHERE product_id = ? LIMIT 100"
CATEGORIES = """
SELECT category_id, name, path, level_1, level_2, level_3, level_4 FROM taxonomy
WHERE category_id IN (SELECT unnest(?::BIGINT[]))
"""
OPTIONAL = ("status", "http_status", "width", "height", "shard", "sha256", "fetched_at", "received_at")


@dataclass(kw_only=True)
class ProductRecord:
    """One product; `current` is the row of the delivery that counts, and lists are empty where nothing is known."""

    product_id: str
    current: dict[str, Any]
    history: list[dict[str, Any]]
    prediction: dict[str, Any] | None = None
    predictions: list[dict[str, Any]] = field(default_factory=list)
    levels: list[dict[str, Any]] = field(default_factory=list)
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    evaluated: list[dict[str, Any]] = field(default_factory=list)
    split: str | None = None
    duplicates: list[dict[str, Any]] = field(default_factory=list)
    suspect: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    categories: Mapping[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def image(self) -> dict[str, Any]:
        """Delivery, shard and hash of the image, with the status of its download."""
        return {key: self.current.get(key) for key in ("delivery", "shard", "sha256", "status")}


def product_record(database: Database, product_id: str) -> ProductRecord:
    """Reads one product.

    Raises:
        NotFoundError: no delivery has it.
        MissingTableError: there are no products yet.
    """
    partner = product_id.partition(":")[0]
    history = database.rows(HISTORY, [partner, product_id])
    if not history:
        raise NotFoundError(f"there is no product {product_id[:200]!r}; ids look like PARTNER:ITEM")
    _add(history, _by_delivery(database, "outcomes", OUTCOMES, [partner, product_id]))
    received = database.rows(RECEIVED, [[each["delivery"] for each in history]]) if database.has("deliveries") else []
    _add(history, {each["delivery"]: each for each in received})
    history.sort(key=lambda each: (each["removed_at"] is None, str(each.get("received_at")), each["delivery"]))
    history.reverse()
    record = ProductRecord(product_id=product_id, current=history[0], history=history)
    predictions = _by_delivery(database, "universal_catalog", PREDICTIONS, [partner, product_id])
    record.predictions = sorted(predictions.values(), key=lambda each: str(each["changed_at"]), reverse=True)
    record.prediction = predictions.get(record.current["delivery"])
    for view, name, sql in (
        ("predictions", "evaluated", EVALUATED),
        ("suspect_labels", "suspect", SUSPECT),
        ("reviews", "reviews", REVIEWS),
    ):
        if database.has(view):
            setattr(record, name, database.rows(sql, [product_id]))
    _add_duplicates(database, record)
    record.categories = _categories(database, record)
    record.levels, record.alternatives = _levels(record), _alternatives(record)
    return record


def mlflow_run(database: Database, classifier: str) -> str | None:
    """Returns the MLflow run that trained a classifier, as its record names it."""
    if not database.has("classifiers"):
        return None
    row = database.row("SELECT description FROM classifiers WHERE name = ?", [classifier])
    return json.loads(row["description"]).get("mlflow_run_id") if row else None


def _by_delivery(database: Database, view: str, sql: str, parameters: list[object]) -> dict[str, dict[str, Any]]:
    rows = database.rows(sql, parameters) if database.has(view) else []
    return {each["delivery"]: each for each in rows}


def _add(rows: list[dict[str, Any]], more: Mapping[str, dict[str, Any]]) -> None:
    """Adds the columns of another table to the rows of the same delivery."""
    columns = {name for each in more.values() for name in each}
    for each in rows:
        each.update({**dict.fromkeys(columns - each.keys()), **more.get(each["delivery"], {})})
    for each in rows:
        for name in OPTIONAL:  # of tables that may be missing
            each.setdefault(name, None)


def _add_duplicates(database: Database, record: ProductRecord) -> None:
    if not database.has("dataset"):
        return
    group = database.row(GROUP, [record.product_id])
    if group is None:
        return
    record.split = group["split"]
    parameters = [group["image_group_id"], group["group_id"], record.product_id]
    record.duplicates = [{**each, "status": "ok"} for each in database.rows(DUPLICATES, parameters)]


def _categories(database: Database, record: ProductRecord) -> dict[int, dict[str, Any]]:
    """The categories that the record names, by id, with their ancestors."""
    if not database.has("taxonomy"):
        return {}
    wanted = {each["category_id"] for each in record.history}
    wanted |= {each[name] for each in record.predictions for name in ("category_id", "leaf_id")}
    wanted |= {other["category_id"] for each in record.predictions for other in each["alternatives"] or []}
    wanted |= {each[name] for each in record.evaluated for name in ("label_id", "predicted_id")}
    wanted |= {each["level_4"] for each in record.duplicates}
    found = {each["category_id"]: each for each in database.rows(CATEGORIES, [sorted(wanted - {None})])}
    above = {each[f"level_{level}"] for each in found.values() for level in range(1, 5)} - found.keys() - {None}
    return found | {each["category_id"]: each for each in database.rows(CATEGORIES, [sorted(above)])}


def _leaves(record: ProductRecord) -> list[tuple[int, float]]:
    """The most probable leaves with their probabilities, best first."""
    if record.prediction is None or record.prediction["leaf_id"] is None:
        return []
    others = [(each["category_id"], each["probability"]) for each in record.prediction["alternatives"] or []]
    return [(record.prediction["leaf_id"], record.prediction["leaf_probability"]), *others]


def _levels(record: ProductRecord) -> list[dict[str, Any]]:
    """Level by level the partner's category and the predicted one, with the probability of known leaves below each."""
    leaves = [each for each in _leaves(record) if each[0] in record.categories]
    label = record.categories.get(record.current["category_id"])
    if not leaves and label is None:
        return []
    levels = []
    for level in range(1, 5):
        name = f"level_{level}"
        sums: dict[int, float] = defaultdict(float)
        for leaf, probability in leaves:
            sums[record.categories[leaf][name]] += probability
        predicted = record.categories.get(record.categories[leaves[0][0]][name]) if leaves else None
        partner = record.categories.get(label[name]) if label else None
        levels.append(
            {
                "level": level,
                "predicted": predicted,
                "probability": sums.get(predicted["category_id"]) if predicted else None,
                "partner": partner,
                "partner_probability": sums.get(partner["category_id"]) if partner and leaves else None,
            }
        )
    return levels


def _alternatives(record: ProductRecord) -> list[dict[str, Any]]:
    return [
        {"category": record.categories.get(leaf), "category_id": leaf, "probability": probability}
        for leaf, probability in _leaves(record)
    ]
