"""Partition sets: one key a delivery, one key a recipe, and one key an encoder and a share of the labels."""

from collections import defaultdict

import dagster as dg

from ml.recipes import CLASSIFIER_RECIPES, ENCODER_RECIPES, LABEL_SHARES

deliveries = dg.DynamicPartitionsDefinition(name="deliveries")
encoder_recipes = dg.StaticPartitionsDefinition(list(ENCODER_RECIPES))
classifier_recipes = dg.StaticPartitionsDefinition(list(CLASSIFIER_RECIPES))
encoder_shares = dg.MultiPartitionsDefinition(
    {"encoder": encoder_recipes, "share": dg.StaticPartitionsDefinition(list(LABEL_SHARES))}
)

_classifiers_by_encoder: dict[str, set[str]] = defaultdict(set)
for _recipe in CLASSIFIER_RECIPES.values():
    _classifiers_by_encoder[_recipe.encoder].add(_recipe.name)

# A classifier is made from the one encoder that its recipe names.
of_its_encoder = dg.StaticPartitionMapping(dict(_classifiers_by_encoder))
