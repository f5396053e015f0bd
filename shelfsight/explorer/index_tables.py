"""Tables of the catalog index: SQL that makes them of the views of the warehouse, which is attached as `catalog`.

A source is a view that a table reads; where the warehouse lacks it, an empty one of the same columns stands for it.
"""

from collections.abc import Mapping
from types import MappingProxyType

VERSION = 3  # of these tables; a new one builds every index again

# By view: what stands for it where it is missing.
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "outcomes": "SELECT NULL::VARCHAR AS product_id, NULL::VARCHAR AS delivery, NULL::VARCHAR AS status, "
        "NULL::VARCHAR AS sha256, NULL::VARCHAR AS shard, NULL::VARCHAR AS image_url, NULL::INTEGER AS http_status, "
        "NULL::VARCHAR AS final_url, NULL::INTEGER AS attempts, NULL::TIMESTAMPTZ AS fetched_at WHERE false",
        "placeholders": "SELECT NULL::VARCHAR AS sha256, NULL::VARCHAR AS verdict WHERE false",
        "universal_catalog": "SELECT NULL::VARCHAR AS product_id, NULL::VARCHAR AS delivery, "
        "NULL::BIGINT AS category_id, NULL::TINYINT AS depth, NULL::FLOAT AS probability, NULL::BIGINT AS leaf_id, "
        "NULL::FLOAT AS leaf_probability WHERE false",
        "rejected": "SELECT NULL::VARCHAR AS delivery, NULL::BIGINT AS row WHERE false",
    }
)
EVALUATED = ("predictions", "champion")  # both are needed for the accuracy of categories
NO_ACCURACY = "SELECT NULL::BIGINT AS category_id, 0 AS num_evaluated, 0 AS num_right WHERE false"

# `place` numbers the categories in the order of the tree, so that a subtree is a range of places.
CATEGORIES = """
CREATE TABLE categories AS
WITH named AS (SELECT *, string_split(path, ' > ') AS names FROM catalog.taxonomy),
placed AS (
    SELECT category_id, name, path, is_leaf, len(names) AS depth, row_number() OVER (ORDER BY names) AS place,
           coalesce(units, 0) AS own_units
    FROM named LEFT JOIN (SELECT unnest(?::BIGINT[]) AS category_id, unnest(?::DOUBLE[]) AS units) USING (category_id)
)
SELECT *, coalesce(
    (SELECT min(later.place) FROM placed AS later WHERE later.place > placed.place AND later.depth <= placed.depth) - 1,
    (SELECT max(place) FROM placed)
) AS last_place
FROM placed
"""
# `units` is the product's part of the units sold of its category: the partner's, else the most probable leaf. The value
# at stake is that part times the probability that the catalog is wrong: 1 where it has no prediction, and where partner
# and catalog disagree, as one of the two is wrong. Rows lie in the order of `position`, by which pages sort without
# reading texts.
ITEMS = """
CREATE TABLE items AS
WITH joined AS (
    SELECT products.product_id, products.partner_id AS partner, products.delivery, products.title,
           lower(products.title) AS title_key,
           CASE WHEN verdict = 'placeholder' THEN 'placeholder' ELSE coalesce(outcomes.status, 'not downloaded yet') END
               AS status,
           outcomes.sha256, outcomes.shard, deliveries.received_at,
           products.category_id AS label_id, predictions.category_id AS predicted_id, predictions.depth,
           predictions.probability, leaf_id, leaf_probability,
           coalesce(predicted.place, labeled.place) AS place,
           coalesce(NOT starts_with(labeled.path || ' > ', predicted.path || ' > '), false) AS disagrees,
           coalesce(labeled.own_units, leaf.own_units, 0)
               / count(*) OVER (PARTITION BY coalesce(labeled.category_id, leaf.category_id)) AS units
    FROM catalog.current_products AS products
    LEFT JOIN ({outcomes}) AS outcomes USING (product_id, delivery)
    LEFT JOIN ({universal_catalog}) AS predictions USING (product_id, delivery)
    LEFT JOIN ({placeholders}) AS placeholders ON placeholders.sha256 = outcomes.sha256 AND outcomes.status = 'ok'
    LEFT JOIN catalog.deliveries AS deliveries ON deliveries.delivery = products.delivery
    LEFT JOIN categories AS labeled ON labeled.category_id = products.category_id
    LEFT JOIN categories AS predicted ON predicted.category_id = predictions.category_id
    LEFT JOIN categories AS leaf ON leaf.category_id = leaf_id
    WHERE removed_at IS NULL
)
SELECT *, row_number() OVER (ORDER BY value_at_stake DESC, product_id) AS position,
       row_number() OVER (ORDER BY title_key NULLS LAST, product_id) AS title_rank
FROM (
    SELECT *, units * CASE WHEN predicted_id IS NULL OR disagrees THEN 1 ELSE 1 - probability END AS value_at_stake
    FROM joined
)
ORDER BY position
"""
ACCURACY = """
SELECT category_id, count(*) AS num_evaluated, count(*) FILTER (predicted_id = category_id) AS num_right
FROM (
    SELECT unnest([1, 2, 3, 4]) AS level, unnest([true_1, true_2, true_3, true_4]) AS category_id,
           unnest([top_1[1], top_2[1], top_3[1], top_4[1]]) AS predicted_id
    FROM catalog.predictions AS predictions JOIN catalog.champion AS champion USING (classifier)
    WHERE predictions.split IN ('golden', 'test')
)
JOIN categories USING (category_id)
WHERE level = least(categories.depth, 4)
GROUP BY category_id
"""
TREE = """
CREATE TABLE tree AS
WITH of_places AS (
    SELECT place, count(*) AS num, count(predicted_id) AS num_predicted, count(label_id) AS num_labeled,
           count(*) FILTER (disagrees) AS num_disagreeing, sum(value_at_stake) AS value_at_stake
    FROM items WHERE place IS NOT NULL GROUP BY place
),
evaluated AS ({accuracy})
SELECT nodes.category_id, nodes.name, nodes.path, nodes.depth, nodes.place, nodes.last_place, nodes.is_leaf,
       coalesce(sum(num), 0)::BIGINT AS num, coalesce(sum(num_predicted), 0)::BIGINT AS num_predicted,
       coalesce(sum(num_labeled), 0)::BIGINT AS num_labeled,
       coalesce(sum(num_disagreeing), 0)::BIGINT AS num_disagreeing,
       coalesce(sum(of_places.value_at_stake), 0)::DOUBLE AS value_at_stake,
       any_value(num_evaluated) AS num_evaluated, any_value(num_right) AS num_right
FROM categories AS nodes
LEFT JOIN of_places ON of_places.place BETWEEN nodes.place AND nodes.last_place
LEFT JOIN evaluated ON evaluated.category_id = nodes.category_id
GROUP BY ALL
ORDER BY nodes.place
"""
# A rejected row of which a product was kept, for instance without its category, counts as a product alone.
FUNNEL = """
CREATE TABLE funnel AS
WITH refused AS (
    SELECT split_part(delivery, '.', 1) AS partner, count(DISTINCT (delivery, row)) AS num_rejected
    FROM ({rejected}) AS rejected ANTI JOIN catalog.products USING (delivery, row) GROUP BY ALL
),
delivered AS (SELECT partner_id AS partner, count(*) AS num_delivered FROM catalog.products GROUP BY ALL)
SELECT partner, any_value(num_delivered) + coalesce(any_value(num_rejected), 0) AS num_rows,
       coalesce(any_value(num_rejected), 0) AS num_rejected, count(*) AS num_products,
       count(*) FILTER (status IN ('ok', 'placeholder')) AS num_images, count(label_id) AS num_labels,
       count(predicted_id) AS num_predictions, count(*) FILTER (disagrees) AS num_disagreeing,
       sum(value_at_stake) AS value_at_stake
FROM items JOIN delivered USING (partner) LEFT JOIN refused USING (partner)
GROUP BY partner ORDER BY partner
"""
COVERAGE = """
CREATE TABLE coverage AS
SELECT level, count(*) AS num, count(*) FILTER (depth >= level) AS num_covered, sum(units) AS units,
       sum(units) FILTER (depth >= level) AS units_covered
FROM items CROSS JOIN (SELECT unnest([1, 2, 3, 4]) AS level)
GROUP BY level ORDER BY level
"""
FACETS = """
CREATE TABLE facets AS
SELECT partner, delivery, status, received_at, count(*) AS num FROM items GROUP BY ALL ORDER BY ALL
"""
DOWNLOADS = """
CREATE TABLE downloads AS
SELECT split_part(delivery, '.', 1) AS partner, delivery,
       coalesce(nullif(lower(regexp_extract(image_url, '^https?://([^/?#]*@)?([^/?#:]+)', 2)), ''), 'no host') AS host,
       fetched_at::DATE AS day, status, count(*) AS num
FROM ({outcomes}) GROUP BY ALL ORDER BY ALL
"""
EXAMPLES = """
CREATE TABLE download_examples AS
SELECT split_part(delivery, '.', 1) AS partner, delivery, product_id, image_url, final_url, http_status, attempts,
       fetched_at, status, sha256, shard,
       coalesce(nullif(lower(regexp_extract(image_url, '^https?://([^/?#]*@)?([^/?#:]+)', 2)), ''), 'no host') AS host
FROM ({outcomes})
QUALIFY row_number() OVER (PARTITION BY partner, host, status ORDER BY fetched_at DESC, product_id) <= 5
"""
