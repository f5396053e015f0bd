"""Variants: the forms in which a classifier can run; one line each in `VARIANTS`.

What a variant needs is imported where it is loaded: only `torch` takes PyTorch along.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.near_names import near
from ml.pixels import PixelRows, Pixels

if TYPE_CHECKING:
    pass

LogProbabilities = NDArray[np.float32]
Runner = Callable[[PixelRows], LogProbabilities]  # (num, 3, side, side), uint8 -> (num, num_leaves)
BatchRunner = Callable[[Pixels], LogProbabilities]  # the same of one batch

WEIGHTS_FILES = ("weights.safetensors", "classifier.json")
ONNX_FILE = "model.onnx"
INPUT, OUTPUT = "pictures", "log_probabilities"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a variant may use: a device of PyTorch's ("cpu", "cuda"), so many threads, batches of so many pictures."""

    device: str = "cpu"
    num_threads: int = 1
    batch_size: int = 32


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A form of a classifier: the files that it is read from, the devices that it runs on, and how it is loaded.

    What `load` gives takes batches of the machine's size and no other; `loaded` takes any number of pictures.
    """

    files: tuple[str, ...]
    devices: tuple[str, ...]
    load: Callable[[Path, Machine], BatchRunner]

    def loaded(self, folder: Path, machine: Machine) -> Runner:
        """The form that a folder holds, ready to run; the last batch is filled up with nothing to see."""
        run, size = self.load(folder, machine), machine.batch_size

        def run_all(pixels: PixelRows) -> LogProbabilities:
            answered = []
            for start in range(0, len(pixels), size):
                part = pixels[start : start + size]
                missing = size - len(part)
                if missing:
                    part = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])
                answered.append(run(np.ascontiguousarray(part))[: size - missing])
            return np.concatenate(answered)

        return run_all


def _eager(folder: Path, machine: Machine) -> BatchRunner:
    return _by_torch(folder, machine)


def _compiled(folder: Path, machine: Machine) -> BatchRunner:
    """As torch.compile makes it, in mixed precision."""
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
            answered: LogProbabilities = network(torch.from_numpy(pixels).to(device)).float().cpu().numpy()
        return answered

    return run


def _onnx(folder: Path, machine: Machine) -> BatchRunner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.num_threads
    session = onnxruntime.InferenceSession(folder / ONNX_FILE, options, providers=["CPUExecutionProvider"])

    def run(pixels: Pixels) -> LogProbabilities:
        answered: LogProbabilities = session.run([OUTPUT], {INPUT: pixels})[0]
        return answered

    return run


def _openvino(file: str, precision: str) -> Callable[[Path, Machine], BatchRunner]:
    """An IR file in a precision of activations; weights keep that of the file."""

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
            answered: LogProbabilities = request.get_output_tensor().data.copy()
            return answered

        return run

    return load


def _ir(name: str) -> tuple[str, str]:
    """The files of an IR."""
    return f"{name}.xml", f"{name}.bin"


VARIANTS: Mapping[str, Variant] = {
    "torch": Variant(files=WEIGHTS_FILES, devices=("cpu", "cuda", "mps"), load=_eager),
    "torch-compiled": Variant(files=WEIGHTS_FILES, devices=("cuda",), load=_compiled),
    "onnx": Variant(files=(ONNX_FILE,), devices=("cpu",), load=_onnx),
    "openvino-bf16": Variant(files=_ir("openvino"), devices=("cpu",), load=_openvino("openvino.xml", "bf16")),
    "openvino-int8": Variant(files=_ir("openvino-int8"), devices=("cpu",), load=_openvino("openvino-int8.xml", "bf16")),
}


def variant(name: str) -> Variant:
    """The variant of this name; ValueError, listing the known ones, where there is none."""
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; {near(name, VARIANTS)}")
    return VARIANTS[name]
