"""Views of the warehouse: SQL over the tables. `catalog.schema.views` describes their columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A SQL view; the warehouse creates it once all tables that it reads exist."""

    reads: tuple[str, ...]
    sql: str


VIEWS: dict[str, View] = {
    "current_products": View(  # the same rule as `catalog.products.redelivery.current_products`
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
    "outcomes_by_partner": View(
        ("outcomes", "products"),
        """
        SELECT partner_id AS partner, status, count(*) AS num,
               count(*) / sum(count(*)) OVER (PARTITION BY partner_id) AS share
        FROM outcomes JOIN products USING (product_id, delivery)
        GROUP BY partner_id, status
        ORDER BY partner, num DESC, status
        """,
    ),
    "probe_by_partner": View(
        ("download_probe",),
        """
        SELECT partner_id AS partner, status, count(*) AS num, sum(weight) AS links,
               sum(weight) / sum(sum(weight)) OVER (PARTITION BY partner_id) AS share
        FROM download_probe
        GROUP BY partner_id, status
        ORDER BY partner, links DESC, status
        """,
    ),
    "link_rot_by_partner": View(
        ("link_rot",),
        """
        SELECT partner_id AS partner, link_state, count(*) AS num, sum(weight) AS links,
               sum(weight) / sum(sum(weight)) OVER (PARTITION BY partner_id) AS share
        FROM link_rot
        GROUP BY partner_id, link_state
        ORDER BY partner, links DESC, link_state
        """,
    ),
    "drift_by_partner": View(
        ("drift", "embedding_drift"),
        """
        SELECT partner_id AS partner, encoder, count(*) AS deliveries, max(beyond_chance) AS beyond_chance,
               max(energy) AS energy, sum(share_uncertain * num_products) / sum(num_products) AS share_uncertain,
               sum(share_without_image * num_products) / sum(num_products) AS share_without_image
        FROM drift JOIN embedding_drift USING (delivery)
        GROUP BY partner_id, encoder
        ORDER BY energy DESC, partner, encoder
        """,
    ),
    "accuracy_by_classifier": View(
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
    "quality_by_encoder": View(
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
    "multimodal_accuracy": View(
        ("multimodal",),
        """
        SELECT encoder, label_fraction, split,
               any_value(top1) FILTER (inputs = 'image') AS image_top1,
               any_value(top1) FILTER (inputs = 'title') AS title_top1,
               any_value(top1) FILTER (inputs = 'late') AS late_fusion_top1,
               any_value(top1) FILTER (inputs = 'joint') AS joint_top1,
               any_value(single) AS better_input,
               any_value(gain_over_single) FILTER (inputs = 'late') AS late_fusion_gain,
               any_value(gain_over_single) FILTER (inputs = 'joint') AS joint_gain,
               max(num) AS num_samples
        FROM multimodal
        GROUP BY encoder, label_fraction, split
        ORDER BY split, label_fraction, encoder
        """,
    ),
    "worst_confusions": View(
        ("confusion", "taxonomy"),
        """
        SELECT classifier, split, level, actual.name AS true_name, predicted.name AS predicted_name, num,
               share_of_true, business_value, actual.path AS true_path, predicted.path AS predicted_path
        FROM confusion
        LEFT JOIN taxonomy AS actual ON actual.category_id = true_id
        LEFT JOIN taxonomy AS predicted ON predicted.category_id = predicted_id
        WHERE level = 4 AND true_id <> predicted_id
        ORDER BY business_value DESC, num DESC, classifier, split, true_id, predicted_id
        """,
    ),
    "accuracy_by_level": View(
        ("metrics",),
        """
        SELECT classifier, split, level, value AS value_weighted_accuracy, ci_low, ci_high, num_samples
        FROM metrics
        WHERE metric = 'value_weighted_accuracy'
        ORDER BY classifier, split, level
        """,
    ),
    "most_valuable_confusions": View(
        ("confusion", "taxonomy"),
        """
        WITH leaves AS (
            SELECT classifier, split, true_id, sum(business_value) AS value, sum(num) AS num_true,
                   row_number() OVER (
                       PARTITION BY classifier, split ORDER BY sum(business_value) DESC, sum(num) DESC, true_id
                   ) AS rank
            FROM confusion
            WHERE level = 4
            GROUP BY classifier, split, true_id
            QUALIFY rank <= 50
        )
        SELECT classifier, split, rank, actual.name AS true_name, predicted.name AS predicted_name, num, num_true,
               share_of_true, business_value, actual.path AS true_path, predicted.path AS predicted_path
        FROM confusion
        JOIN leaves USING (classifier, split, true_id)
        LEFT JOIN taxonomy AS actual ON actual.category_id = true_id
        LEFT JOIN taxonomy AS predicted ON predicted.category_id = predicted_id
        WHERE level = 4
        ORDER BY classifier, split, rank, num DESC, predicted_id
        """,
    ),
    "catalog_disagreements": View(
        ("universal_catalog", "products", "taxonomy"),
        """
        SELECT product_id, products.partner_id AS partner, title, image_url, delivery,
               labeled.path AS partner_path, catalog.path AS catalog_path, catalog.probability, depth,
               business_value
        FROM universal_catalog AS catalog
        JOIN products USING (product_id, delivery)
        JOIN taxonomy AS labeled ON labeled.category_id = partner_category_id
        WHERE catalog.category_id IS NOT NULL
          AND NOT starts_with(labeled.path || ' > ', catalog.path || ' > ')
        ORDER BY business_value DESC NULLS LAST, catalog.probability DESC, product_id
        """,
    ),
    "catalog_coverage": View(
        ("universal_catalog", "products"),
        """
        SELECT partner_id AS partner, depth, count(*) AS num, avg(probability) AS probability,
               count(*) / sum(count(*)) OVER (PARTITION BY partner_id) AS share
        FROM universal_catalog JOIN products USING (product_id, delivery)
        GROUP BY partner_id, depth
        ORDER BY partner, depth
        """,
    ),
    "products_without_image": View(
        ("products", "outcomes"),
        """
        SELECT products.*, coalesce(status, 'not downloaded yet') AS reason
        FROM products LEFT JOIN outcomes USING (product_id, delivery)
        WHERE status IS DISTINCT FROM 'ok'
        ORDER BY partner_id, reason, product_id
        """,
    ),
    "placeholder_products": View(
        ("placeholders", "products", "outcomes"),
        """
        SELECT products.*, 'placeholder' AS status, placeholders.evidence, placeholders.sha256
        FROM placeholders
        JOIN outcomes ON outcomes.sha256 = placeholders.sha256 AND outcomes.status = 'ok'
        JOIN products ON products.product_id = outcomes.product_id AND products.delivery = outcomes.delivery
        WHERE verdict = 'placeholder'
        ORDER BY partner_id, products.product_id, products.delivery
        """,
    ),
    "placeholder_queue": View(
        ("placeholders", "products"),
        """
        SELECT image_group, verdict, evidence, num_products, num_items, num_leaves, num_partners, num_images, content,
               product_id, title, image_url, image_group || ',placeholder,,' AS line
        FROM (
            SELECT *, count(*) OVER (PARTITION BY image_group) AS num_images
            FROM placeholders
            WHERE evidence <> 'listed'
            QUALIFY row_number() OVER (PARTITION BY image_group ORDER BY sha256 <> image_group, sha256) = 1
        )
        LEFT JOIN products USING (product_id, delivery)
        ORDER BY num_products DESC, verdict DESC, image_group
        """,
    ),
    "moved_labels": View(
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
    "disagreements": View(
        ("predictions", "dataset", "products", "taxonomy"),
        """
        SELECT classifier, predictions.split, product_id, products.partner_id AS partner, title, image_url,
               labeled.path AS partner_path, predicted.path AS predicted_path,
               probability_4[1] AS probability
        FROM predictions
        JOIN dataset USING (product_id)
        JOIN products USING (product_id, delivery)
        LEFT JOIN taxonomy AS labeled ON labeled.category_id = true_4
        LEFT JOIN taxonomy AS predicted ON predicted.category_id = top_4[1]
        WHERE true_4 <> top_4[1]
        ORDER BY probability DESC, classifier, product_id
        """,
    ),
}
