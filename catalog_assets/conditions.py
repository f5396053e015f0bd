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

# For what costs the device minutes: only where something upstream is another than before, and never half of it.
_deps_differ = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())

# For the champion's deployment, which is judged by the dataset, but does not change with it.
when_champion_changes = (
    _deps_differ.ignore(dg.AssetSelection.assets("dataset")).since_last_handled() & _at_rest
).with_label("when the champion changes")

# For a delivery's categories. A new deployment concerns all deliveries, which `relabelling_sensor` asks for in batches.
when_pictures_change = (
    _deps_differ.ignore(dg.AssetSelection.assets("deployment")).since_last_handled()
    & _at_rest
    & ~dg.AutomationCondition.any_deps_missing()
).with_label("when pictures change")

# For what tells of a delivery's categories; the dataset, beside which it sets them, changes with every delivery.
refresh_with_its_delivery = (
    dg.AutomationCondition.any_deps_updated().ignore(dg.AssetSelection.assets("dataset")).since_last_handled()
    & _at_rest
    & ~dg.AutomationCondition.any_deps_missing()
).with_label("refresh with its delivery")

# For what judges a classifier: once it was trained, not whenever the dataset or the taxonomy changed, of which every
# classifier is made, those that nobody trained among them.
when_trained = (
    dg.AutomationCondition.any_deps_updated()
    .ignore(dg.AssetSelection.assets("dataset", "taxonomy"))
    .since_last_handled()
    & _at_rest
).with_label("when trained")
