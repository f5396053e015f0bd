"""Automation conditions: when an asset is materialized after a change upstream."""

import dagster as dg

# Like AutomationCondition.eager(), but a delivery whose feed was refused stays missing forever and must not block
# the others; and assets that were never materialized are materialized on request only.
_at_rest = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()
when_upstream_changes = (dg.AutomationCondition.any_deps_updated().since_last_handled() & _at_rest).with_label(
    "when upstream changes"
)

# For assets that cannot be made before each of their inputs exists, at least for one partition.
when_all_inputs_exist = (
    when_upstream_changes & dg.AutomationCondition.all_deps_match(~dg.AutomationCondition.missing())
).with_label("when upstream changes and all inputs exist")

# For partitions by recipe: only those that were materialized before.
refresh_when_upstream_changes = (when_upstream_changes & ~dg.AutomationCondition.missing()).with_label(
    "refresh when upstream changes"
)

# For assets that need minutes of the device: only after the data version of an input changed.
_deps_differ = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())

# For the champion's deployment, which is evaluated on the dataset, but does not change with it.
when_champion_changes = (
    _deps_differ.ignore(dg.AssetSelection.assets("dataset")).since_last_handled() & _at_rest
).with_label("when the champion changes")

# For a delivery's categories. After a new deployment `repredict_sensor` requests all deliveries, in batches; a
# placeholder that other deliveries brought counts when a delivery is predicted again.
when_images_change = (
    _deps_differ.ignore(dg.AssetSelection.assets("deployment", "placeholders")).since_last_handled()
    & _at_rest
    & ~dg.AutomationCondition.any_deps_missing().ignore(dg.AssetSelection.assets("placeholders"))
).with_label("when images change")

# For assets that compare a delivery's categories with the dataset, which changes with every delivery.
refresh_with_its_delivery = (
    dg.AutomationCondition.any_deps_updated().ignore(dg.AssetSelection.assets("dataset")).since_last_handled()
    & _at_rest
    & ~dg.AutomationCondition.any_deps_missing()
).with_label("refresh with its delivery")

# For evaluations of a classifier: after it was trained, not whenever the dataset or the taxonomy changed, which are
# inputs of every classifier, including those that were never trained.
when_trained = (
    dg.AutomationCondition.any_deps_updated()
    .ignore(dg.AssetSelection.assets("dataset", "taxonomy"))
    .since_last_handled()
    & _at_rest
).with_label("when trained")
