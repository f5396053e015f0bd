"""Self-supervised methods: one file each, one line here."""

import inspect
from collections.abc import Mapping
from typing import Any

from ml.encoders import Encoder
from ml.methods.barlow_twins import BarlowTwins
from ml.methods.byol import BYOL
from ml.methods.dino import DINO
from ml.methods.method import Method
from ml.methods.moco_v3 import MoCoV3
from ml.methods.simclr import SimCLR
from ml.methods.swav import SwAV
from ml.methods.vicreg import VICReg
from ml.near_names import near
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
    """The method that `settings` name, with their options, around an encoder.

    Raises:
        ValueError: no method has this name, it has no such option, or it takes no local views.
    """
    kind = method_class(settings.method)
    known = options_of(kind)
    for name in settings.options:
        if name not in known:
            raise ValueError(f"method {settings.method!r} has no option {name!r}; it has {', '.join(sorted(known))}")
    if settings.local_views is not None and not kind.takes_local_views:
        takers = ", ".join(name for name, each in METHODS.items() if each.takes_local_views)
        raise ValueError(f"method {settings.method!r} takes no local views; leave them out, or use {takers}")
    return kind(encoder, **settings.options)


def method_class(name: str) -> type[Method]:
    """The class of this name; an unknown one raises ValueError with the near and the known ones."""
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; {near(name, METHODS)}")
    return METHODS[name]


def options_of(kind: type[Method]) -> Mapping[str, Any]:
    """What a method can be told, with the defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
