"""Stored size: the largest resolution that an encoder can have with the settings of stored images."""

from ml.recipe_types import EncoderRecipe


def above_setting(recipe: EncoderRecipe, short_side_px: int) -> str:
    """Returns the problem of an encoder whose resolution is above that of images stored now; "" if there is none."""
    if recipe.resolution <= short_side_px:
        return ""
    return (
        f"has the resolution {recipe.resolution} px, but images are stored with a short side of {short_side_px} px at "
        f"most; set images.short_side_px = {recipe.resolution} (images that are stored already grow only by the job "
        "'enlarge'), or lower the resolution"
    )
