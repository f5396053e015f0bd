"""Third-party weights: loads a backbone from another tool's checkpoint and maps the tool's parameter names to timm's.

Supported are checkpoints of timm and torchvision (no prefix), of lightly (`backbone.`, by name or by the position of a
layer in an `nn.Sequential`), of solo-learn (`backbone.`, `encoder.` and their momentum copies), of DINO (`teacher`,
`student`) and of MoCo (`module.encoder_q.`), and of any other tool that adds a prefix to the backbone's own names.
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

from ml.encoders.backbones import create_backbone

COUNTERS = "num_batches_tracked"  # of batch norms; some tools leave them out, and no output depends on them
# If a checkpoint has two copies of a network, the one that its paper evaluates is loaded.
PREFERRED, SECONDARY = ("teacher",), ("momentum", "target", "student", "encoder_k", "_k.", "ema")


def load_third_party_weights(path: Path, name: str, resolution: int) -> nn.Module:
    """Builds a timm backbone without a classifier from a checkpoint file.

    Pickles are loaded with `weights_only=True`, so no code in them runs.

    Args:
        path: A safetensors file or a PyTorch checkpoint.
        name: timm's name of the backbone.
        resolution: Side of the input images in pixels.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, has more than tensors and plain values, or lacks weights of this backbone.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {str(path)!r}; weights are random, imagenet, pretrained, or an existing file"
        )
    backbone = create_backbone(name, resolution)
    tensors = dict(_flat(_read(path)))
    backbone.load_state_dict(_matched(tensors, backbone, path, name), strict=False)
    return backbone


def _read(path: Path) -> Mapping[str, Any]:
    """Reads the (possibly nested) contents of a checkpoint by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ValueError(
            f"checkpoint {str(path)!r} was refused: it has more than tensors and plain values "
            f"({named[1] if named else 'objects'}), and reading such a pickle runs whatever code it names. Where you "
            "trust its origin, keep its tensors alone: "
            "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
        ) from error
    except (RuntimeError, EOFError, SafetensorError, ValueError) as error:
        raise ValueError(f"checkpoint {str(path)!r} is damaged or no checkpoint ({_first_line(error)})") from error
    return content if isinstance(content, Mapping) else {}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _flat(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yields all tensors of nested mappings with their dotted names."""
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")


def _matched(tensors: Mapping[str, Tensor], backbone: nn.Module, path: Path, name: str) -> dict[str, Tensor]:
    """Returns the tensors under the backbone's own names.

    Every prefix of a name of the backbone is a candidate; the one with the most tensors of the right shapes is used,
    and has to have all of them.
    """
    wanted = backbone.state_dict()
    weights = {key for key in wanted if not key.endswith(COUNTERS)}
    best: dict[str, Tensor] = {}
    best_prefix, misfits = "", dict[str, Tensor]()
    for aliases in (_own_names(wanted), _positions(backbone, wanted)):
        for prefix in sorted(_prefixes(tensors, aliases.values()), key=_rank):
            named = {key: tensors[prefix + alias] for key, alias in aliases.items() if prefix + alias in tensors}
            fitting = {key: tensor for key, tensor in named.items() if tensor.shape == wanted[key].shape}
            if len(fitting.keys() & weights) > len(best.keys() & weights):
                best, best_prefix = fitting, prefix
                misfits = {key: tensor for key, tensor in named.items() if key not in fitting}
    missing = sorted(weights - best.keys())
    if not missing:
        return best
    if misfits:
        key = min(misfits)
        raise ValueError(
            f"checkpoint {str(path)!r} has {key!r} of shape {tuple(misfits[key].shape)} where {name!r} has "
            f"{tuple(wanted[key].shape)}; some tools change a network's stem for small images: "
            "name the backbone that was trained"
        )
    examples = ", ".join(repr(key) for key in list(tensors)[:3]) or "no tensor"
    raise ValueError(
        f"checkpoint {str(path)!r} has no complete {name!r}: with the prefix {best_prefix!r} it has "
        f"{len(best.keys() & weights)} of {len(weights)} tensors, and {missing[0]!r} is missing; it has {examples} "
        "and others. Name the backbone that was trained"
    )


def _own_names(wanted: Mapping[str, Tensor]) -> dict[str, str]:
    return {key: key for key in wanted}


def _positions(backbone: nn.Module, wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Maps names to those in an `nn.Sequential` of the children: `layer1.0.conv1.weight` to `4.0.conv1.weight`."""
    position = {child: str(number) for number, (child, _) in enumerate(backbone.named_children())}
    names = {}
    for key in wanted:
        child, _, rest = key.partition(".")
        if child in position and rest:
            names[key] = f"{position[child]}.{rest}"
    return names


def _prefixes(tensors: Mapping[str, Tensor], aliases: Any) -> set[str]:
    """Returns all prefixes of the first layer's name in a checkpoint, "" for none."""
    first = next((alias for alias in aliases if not alias.endswith(COUNTERS)), None)
    if first is None:
        return set()
    return {key.removesuffix(first) for key in tensors if key == first or key.endswith(f".{first}")}


def _rank(prefix: str) -> tuple[bool, bool, int, str]:
    """Returns the sort key of prefixes: the preferred copy comes first if several match equally well."""
    is_preferred = any(word in prefix for word in PREFERRED)
    is_secondary = any(word in prefix for word in SECONDARY)
    return not is_preferred, is_secondary, len(prefix), prefix
