"""Exports a classifier: weights, an ONNX graph, and OpenVINO's IR in 16 and in 8 bits."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ml.classifiers.classifier import Classifier
from ml.deployment.network import LeafNetwork
from ml.deployment.variants import INPUT, ONNX_FILE, OUTPUT
from ml.pixels import Pixels

OPSET = 18  # the first whose scatter computes maxima, which conditional heads need
EXAMPLES = 2  # with one example the exporter would make the batch size a constant
CALIBRATION_BATCH = 32


def export(classifier: Classifier, folder: Path, calibration: Pixels) -> None:
    """Write the files of every variant of a classifier into a folder: safetensors, ONNX and two IRs.

    Args:
        classifier: the trained classifier.
        folder: made if missing.
        calibration: pixels (num, 3, side, side), uint8, of validation images; they set the activations' ranges in
            8 bits.

    Raises:
        ValueError: there are no calibration pixels, or they have another resolution.
    """
    side = classifier.encoder.resolution
    if len(calibration) == 0 or calibration.shape[1:] != (3, side, side):
        raise ValueError(
            f"calibration pixels have the shape {calibration.shape}; give (num > 0, 3, {side}, {side}), of validation "
            "images"
        )
    folder.mkdir(parents=True, exist_ok=True)
    classifier.save(folder, {})
    write_onnx(classifier, folder / ONNX_FILE)
    write_openvino(folder, calibration)


def write_onnx(classifier: Classifier, path: Path) -> None:
    """Write the network as an ONNX graph for any batch size, weights included."""
    side = classifier.encoder.resolution
    example = torch.zeros(EXAMPLES, 3, side, side, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad(), _out_of_place(classifier):
        warnings.simplefilter("ignore")  # PyTorch's exporter warns about itself
        exported = torch.onnx.export(
            LeafNetwork(classifier.cpu()),
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            verbose=False,
        )
    assert exported is not None  # noqa: S101 dynamo's exporter always returns a program
    exported.save(path, external_data=False)


@contextmanager
def _out_of_place(network: nn.Module) -> Iterator[None]:
    """Makes activations return new tensors, which the exporter decomposes in half the time."""
    activations: list[Any] = [module for module in network.modules() if getattr(module, "inplace", False)]
    for module in activations:
        module.inplace = False
    try:
        yield
    finally:
        for module in activations:
            module.inplace = True


def write_openvino(folder: Path, calibration: Pixels) -> None:
    """Convert the folder's ONNX graph to IR: `openvino.xml`, and `openvino-int8.xml` by post-training quantization."""
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.WARNING)
    model = openvino.convert_model(folder / ONNX_FILE)
    openvino.save_model(model, folder / "openvino.xml")
    batches = [
        calibration[start : start + CALIBRATION_BATCH] for start in range(0, len(calibration), CALIBRATION_BATCH)
    ]
    dataset = nncf.Dataset([np.ascontiguousarray(batch) for batch in batches])
    quantized: Any = nncf.quantize(
        model,
        dataset,
        subset_size=len(batches),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric: a third faster than asymmetric
        fast_bias_correction=True,
    )
    openvino.save_model(quantized, folder / "openvino-int8.xml")
