"""The configuration that both sides of the pretraining benchmark share."""

from collections.abc import Mapping

from ml.recipe_types import Augmentation, EncoderRecipe, LocalViews, Optimization, Pretraining

NUM_IMAGES, RESOLUTION, BATCH = 1_024, 64, 256
LOCAL_RESOLUTION, NUM_LOCAL = 32, 6
# The strength of lightly's SimCLRTransform.
VIEWS = Augmentation(
    crop_scale=(0.08, 1.0), brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur_probability=0.5
)
OPTIONS: Mapping[str, Mapping[str, int | float]] = {
    "simclr": {"temperature": 0.5, "hidden_dim": 512, "projection_dim": 128},
    "byol": {"hidden_dim": 1024, "projection_dim": 256},
    "swav": {"hidden_dim": 512, "projection_dim": 128, "num_prototypes": 300, "queue_length": 0},
}


def recipe(method: str, backbone: str, *, epochs: int = 2) -> EncoderRecipe:
    """Returns our recipe; autotuning chooses its execution."""
    local = LocalViews(num=NUM_LOCAL, resolution=LOCAL_RESOLUTION, augmentation=VIEWS) if method == "swav" else None
    settings = Pretraining(
        method=method,
        optimization=Optimization(epochs=epochs, batch_size=BATCH, lr=1e-3),
        augmentation=VIEWS,
        local_views=local,
        options=OPTIONS[method],
    )
    return EncoderRecipe(name=method, backbone=backbone, weights="random", resolution=RESOLUTION, pretraining=settings)
