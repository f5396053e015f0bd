"""Exporting: a classifier's weights, its ONNX graph, and OpenVINO's IR of it in 16 and in 8 bits."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml.classifiers.classifier import Classifier
from ml.deployment.network import LeafNetwork
from ml.deployment.variants import INPUT, ONNX_FILE, OUTPUT
from ml.pixels import Pixels

OPSET = 18  # the first whose scatter takes maxima, as conditional heads do
EXAMPLES = 2  # in a batch of one the batch's size would be taken for a constant
CALIBRATION_BATCH = 32


def export(classifier: Classifier, folder: Path, calibration: Pixels) -> None:
    """Write every form of a classifier into a folder: `weights.safetensors`, `model.onnx`, and two IRs.

    `calibration` pixels (num, 3, side, side), uint8, of validation pictures tell how far activations go in 8 bits.

    Raises:
        ValueError: there is nothing to calibrate by, or the pixels are of another resolution.
    """
    side = classifier.encoder.resolution
    if len(calibration) == 0 or calibration.shape[1:] != (3, side, side):
        raise ValueError(
            f"pixels to calibrate 8 bits by are {calibration.shape}; give (num > 0, 3, {side}, {side}) of validation"
        )
    folder.mkdir(parents=True, exist_ok=True)
    classifier.save(folder, {})
    write_onnx(classifier, folder / ONNX_FILE)
    write_openvino(folder, calibration)


def write_onnx(classifier: Classifier, path: Path) -> None:
    """The network as an ONNX graph of any batch size, weights included."""
    side = classifier.encoder.resolution
    example = torch.zeros(EXAMPLES, 3, side, side, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of PyTorch's exporter about its own
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


def write_openvino(folder: Path, calibration: Pixels) -> None:
    """OpenVINO's IR of the folder's ONNX graph: `openvino.xml`, and `openvino-int8.xml` quantised after training."""
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.WARNING)
    model = openvino.convert_model(folder / ONNX_FILE)
    openvino.save_model(model, folder / "openvino.xml")
    batches = [
        calibration[start : start + CALIBRATION_BATCH] for start in range(0, len(calibration), CALIBRATION_BATCH)
    ]
    dataset = nncf.Dataset([np.ascontiguousarray(batch) for batch in batches])
    quantised: Any = nncf.quantize(
        model,
        dataset,
        subset_size=len(batches),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # about zero: a third faster than about their own middle
        fast_bias_correction=True,
    )
    openvino.save_model(quantised, folder / "openvino-int8.xml")
