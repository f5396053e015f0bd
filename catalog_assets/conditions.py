"""Automation conditions: what runs by itself once something upstream changed."""

import dagster as dg

# Like AutomationCondition.eager(), but a delivery whose feed was refused stays missing for ever, and must not hold up
# the others; and nothing that is merely missing is started: what has never been made is made on request.
_at_rest = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()
when_upstream_changes = (dg.AutomationCondition.any_deps_updated().since_last_handled() & _at_rest).with_label(
    "when upstream changes"
)

# For a partition of a recipe: only where one was already made from the recipe.
refresh_when_upstream_changes = (when_upstream_changes & ~dg.AutomationCondition.missing()).with_label(
    "refresh when upstream changes"
)

# For what judges a classifier: once it was trained, not whenever the dataset or the taxonomy changed, of which every
# classifier is made, those that nobody trained among them.
when_trained = (
    dg.AutomationCondition.any_deps_updated()
    .ignore(dg.AssetSelection.assets("dataset", "taxonomy"))
    .since_last_handled()
    & _at_rest
).with_label("when trained")
