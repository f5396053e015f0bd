"""Self-supervised methods: one file each, one line here."""

from collections.abc import Callable

from ml.encoders import Encoder
from ml.methods.method import Method
from ml.methods.simclr import SimCLR
from ml.recipes import Pretraining

METHODS: dict[str, Callable[[Encoder, Pretraining], Method]] = {
    "simclr": SimCLR,
}


def build_method(encoder: Encoder, settings: Pretraining) -> Method:
    """The method that `settings` name, around an encoder.

    Raises:
        ValueError: no method has this name.
    """
    if settings.method not in METHODS:
        raise ValueError(f"unknown method {settings.method!r}; known are {', '.join(sorted(METHODS))}")
    return METHODS[settings.method](encoder, settings)
