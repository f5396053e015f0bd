"""Variants: the runtimes and precisions in which a classifier can run; one line each in `VARIANTS`.

Each variant imports its runtime when it is loaded, so only the PyTorch variants import PyTorch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.name_suggestions import suggest_names
from ml.pixels import Pixels, PixelsLike

LogProbabilities = NDArray[np.float32]
Runner = Callable[[PixelsLike], LogProbabilities]  # (num, 3, side, side), uint8 -> (num, num_leaves)
BatchRunner = Callable[[Pixels], LogProbabilities]  # likewise, for one batch of the fixed size

WEIGHTS_FILES = ("weights.safetensors", "classifier.json")
ONNX_FILE = "model.onnx"
INPUT, OUTPUT = "images", "log_probabilities"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The resources of a variant: a PyTorch device type ("cpu", "cuda"), CPU threads and images per batch."""

    device: str = "cpu"
    num_threads: int = 1
    batch_size: int = 32


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A runtime and precision: the files that it needs, the devices that it runs on, and its loader.

    `load` returns a runner for batches of exactly the machine's batch size, `loaded` one for any number of images.
    """

    files: tuple[str, ...]
    devices: tuple[str, ...]
    load: Callable[[Path, Machine], BatchRunner]

    def loaded(self, folder: Path, machine: Machine) -> Runner:
        """Load this variant from a folder; the runner pads the last batch with zeros."""
        run, size = self.load(folder, machine), machine.batch_size

        def run_all(pixels: PixelsLike) -> LogProbabilities:
            parts = []
            for start in range(0, len(pixels), size):
                part = pixels[start : start + size]
                missing = size - len(part)
                if missing:
                    part = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])
                parts.append(run(np.ascontiguousarray(part))[: size - missing])
            return np.concatenate(parts)

        return run_all


def _eager(folder: Path, machine: Machine) -> BatchRunner:
    return _by_torch(folder, machine)


def _compiled(folder: Path, machine: Machine) -> BatchRunner:
    """By torch.compile, in mixed precision."""
    return _by_torch(folder, machine, compiled=True)


def _by_torch(folder: Path, machine: Machine, *, compiled: bool = False) -> BatchRunner:
    import torch

    from ml.classifiers.classifier import Classifier
    from ml.deployment.network import LeafNetwork

    device = torch.device(machine.device)
    if device.type == "cpu":
        torch.set_num_threads(machine.num_threads)
    network: Any = LeafNetwork(Classifier.load(folder)).to(device)
    if compiled:
        network = torch.compile(network)
    precision: torch.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32

    def run(pixels: Pixels) -> LogProbabilities:
        with torch.inference_mode(), torch.autocast(device.type, dtype=precision, enabled=compiled):
            log_probabilities: LogProbabilities = network(torch.from_numpy(pixels).to(device)).float().cpu().numpy()
        return log_probabilities

    return run


def _onnx(folder: Path, machine: Machine) -> BatchRunner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.num_threads
    session = onnxruntime.InferenceSession(folder / ONNX_FILE, options, providers=["CPUExecutionProvider"])

    def run(pixels: Pixels) -> LogProbabilities:
        log_probabilities: LogProbabilities = session.run([OUTPUT], {INPUT: pixels})[0]
        return log_probabilities

    return run


def _openvino(file: str, precision: str) -> Callable[[Path, Machine], BatchRunner]:
    """A loader of an IR file; `precision` is that of activations, weights keep the file's."""

    def load(folder: Path, machine: Machine) -> BatchRunner:
        import openvino

        model = openvino.Core().read_model(folder / file)
        model.reshape([machine.batch_size, *list(model.input().partial_shape)[1:]])
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": machine.num_threads,
            "NUM_STREAMS": 1,
        }
        request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

        def run(pixels: Pixels) -> LogProbabilities:
            request.infer({0: pixels}, share_inputs=True)
            log_probabilities: LogProbabilities = request.get_output_tensor().data.copy()
            return log_probabilities

        return run

    return load


def _ir(name: str) -> tuple[str, str]:
    """The file names of an IR."""
    return f"{name}.xml", f"{name}.bin"


VARIANTS: Mapping[str, Variant] = {
    "torch": Variant(files=WEIGHTS_FILES, devices=("cpu", "cuda", "mps"), load=_eager),
    "torch-compiled": Variant(files=WEIGHTS_FILES, devices=("cuda",), load=_compiled),
    "onnx": Variant(files=(ONNX_FILE,), devices=("cpu",), load=_onnx),
    "openvino-bf16": Variant(files=_ir("openvino"), devices=("cpu",), load=_openvino("openvino.xml", "bf16")),
    "openvino-int8": Variant(files=_ir("openvino-int8"), devices=("cpu",), load=_openvino("openvino-int8.xml", "bf16")),
}


def variant_named(name: str) -> Variant:
    """Return the variant of this name.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; {suggest_names(name, VARIANTS)}")
    return VARIANTS[name]
