"""Foreign weights: a backbone from another tool's checkpoint, whatever that tool calls its layers.

Known are files of timm and torchvision (bare names), of lightly (`backbone.`, by name or by the position of a layer in
an `nn.Sequential`), of solo-learn (`backbone.`, `encoder.` and their momentum copies), of DINO (`teacher`, `student`)
and of MoCo (`module.encoder_q.`), and any other that puts a prefix before the backbone's own names.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ml.backbones import create_backbone

COUNTERS = "num_batches_tracked"  # of batch norms; some tools leave them out, and no output depends on them
# Where a checkpoint holds a network twice: what its paper judges is taken, the slow or the fast copy.
PREFERRED, SLOW_COPIES = ("teacher",), ("momentum", "target", "student", "encoder_k", "_k.", "ema")


def load_foreign(path: Path, name: str, resolution: int) -> nn.Module:
    """A timm backbone without a classifier, with the weights of a checkpoint file.

    A pickle is only read as tensors and plain values, never executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds more than tensors and plain values, or no weights of this backbone.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}; weights are random, imagenet, or an existing file")
    backbone = create_backbone(name, resolution)
    tensors = dict(_flat(_read(path)))
    backbone.load_state_dict(_matched(tensors, backbone, path, name), strict=False)
    return backbone


def _read(path: Path) -> Mapping[str, Any]:
    """What a file holds, by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ValueError(
            f"checkpoint {str(path)!r} was refused: it holds more than tensors and plain values "
            f"({named[1] if named else 'objects'}), and reading such a pickle runs whatever code it names. Where you "
            "trust its origin, keep its tensors alone: "
            "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
        ) from error
    except (RuntimeError, EOFError, SafetensorError, ValueError) as error:
        raise ValueError(f"checkpoint {str(path)!r} is damaged or no checkpoint ({_first_line(error)})") from error
    return held if isinstance(held, Mapping) else {}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _flat(held: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of nested mappings, by its dotted name."""
    for key, value in held.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")


def _matched(tensors: Mapping[str, Tensor], backbone: nn.Module, path: Path, name: str) -> dict[str, Tensor]:
    """The tensors under the backbone's own names.

    Each prefix before some name of the backbone is a candidate; that of the most tensors of the right shapes wins, and
    has to have all of them.
    """
    wanted = backbone.state_dict()
    weights = {key for key in wanted if not key.endswith(COUNTERS)}
    best: dict[str, Tensor] = {}
    best_place, misfits = "", dict[str, Tensor]()
    for aliases in (_own_names(wanted), _positions(backbone, wanted)):
        for prefix in sorted(_prefixes(tensors, aliases.values()), key=_rank):
            named = {key: tensors[prefix + alias] for key, alias in aliases.items() if prefix + alias in tensors}
            fitting = {key: tensor for key, tensor in named.items() if tensor.shape == wanted[key].shape}
            if len(fitting.keys() & weights) > len(best.keys() & weights):
                best, best_place = fitting, prefix
                misfits = {key: tensor for key, tensor in named.items() if key not in fitting}
    missing = sorted(weights - best.keys())
    if not missing:
        return best
    if misfits:
        key = min(misfits)
        raise ValueError(
            f"checkpoint {str(path)!r} has {key!r} of shape {tuple(misfits[key].shape)} where {name!r} has "
            f"{tuple(wanted[key].shape)}; some tools change a network's stem for small pictures: "
            "name the backbone that was trained"
        )
    held = ", ".join(repr(key) for key in list(tensors)[:3]) or "no tensor"
    raise ValueError(
        f"checkpoint {str(path)!r} holds no whole {name!r}: below {best_place!r} there are "
        f"{len(best.keys() & weights)} of its {len(weights)} tensors, and {missing[0]!r} is missing; it holds {held} "
        "and the like. Name the backbone that was trained"
    )


def _own_names(wanted: Mapping[str, Tensor]) -> dict[str, str]:
    return {key: key for key in wanted}


def _positions(backbone: nn.Module, wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """The names in an `nn.Sequential` of the backbone's children: `4.0.conv1.weight` for `layer1.0.conv1.weight`."""
    position = {child: str(number) for number, (child, _) in enumerate(backbone.named_children())}
    names = {}
    for key in wanted:
        child, _, rest = key.partition(".")
        if child in position and rest:
            names[key] = f"{position[child]}.{rest}"
    return names


def _prefixes(tensors: Mapping[str, Tensor], aliases: Any) -> set[str]:
    """What stands before some name of the backbone's first layer, "" where nothing does."""
    first = next((alias for alias in aliases if not alias.endswith(COUNTERS)), None)
    if first is None:
        return set()
    return {key.removesuffix(first) for key in tensors if key == first or key.endswith(f".{first}")}


def _rank(prefix: str) -> tuple[bool, bool, int, str]:
    """Sorts what is to be taken first, where several copies fit alike."""
    is_preferred = any(word in prefix for word in PREFERRED)
    is_slow = any(word in prefix for word in SLOW_COPIES)
    return not is_preferred, is_slow, len(prefix), prefix
