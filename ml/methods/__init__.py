"""Self-supervised methods: one module for each, and `METHODS`, which names them."""

import inspect
from collections.abc import Mapping
from typing import Any

from ml.encoders.encoder import Encoder
from ml.methods.barlow_twins import BarlowTwins
from ml.methods.byol import BYOL
from ml.methods.dino import DINO
from ml.methods.method import Method
from ml.methods.moco_v3 import MoCoV3
from ml.methods.simclr import SimCLR
from ml.methods.swav import SwAV
from ml.methods.vicreg import VICReg
from ml.name_suggestions import suggest_names
from ml.recipe_types import Pretraining

METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "byol": BYOL,
    "swav": SwAV,
    "moco_v3": MoCoV3,
    "dino": DINO,
    "vicreg": VICReg,
    "barlow_twins": BarlowTwins,
}


def build_method(encoder: Encoder, settings: Pretraining) -> Method:
    """Builds the method that `settings` name around an encoder.

    Raises:
        ValueError: No method has this name, it lacks one of the options, or it does not support local views.
    """
    kind = method_class(settings.method)
    known = method_options(kind)
    for name in settings.options:
        if name not in known:
            raise ValueError(f"method {settings.method!r} has no option {name!r}; it has {', '.join(sorted(known))}")
    if settings.local_views is not None and not kind.supports_local_views:
        supporting = ", ".join(name for name, each in METHODS.items() if each.supports_local_views)
        raise ValueError(f"method {settings.method!r} takes no local views; leave them out, or use {supporting}")
    return kind(encoder, **settings.options)


def method_class(name: str) -> type[Method]:
    """Returns the class of a method; raises ValueError with suggestions if the name is unknown."""
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; {suggest_names(name, METHODS)}")
    return METHODS[name]


def method_options(kind: type[Method]) -> Mapping[str, Any]:
    """Returns the keyword arguments of a method and their defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
