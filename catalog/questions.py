"""Questions: what people ask the catalogue in SQL, each a view over the tables that it reads."""

from __future__ import annotations

from dataclasses import dataclass


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
