"""Ranks: two processes do together what one does with the whole batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ml.artifacts import load_artifact
from ml.methods import METHODS
from ml.training.ranks import SINGLE_PROCESS, Ranks

CASES = (*(f"{name}:test_resnet:0" for name in METHODS), "dino:test_vit:8", "swav:mobilenetv3_small_050:0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The folders with the results of one rank and of two ranks."""
    folders = {num: tmp_path_factory.mktemp(f"ranks-{num}-") for num in (1, 2)}
    command = [sys.executable, "-m", "tests.ml.training.gradients_on_ranks", *map(str, folders.values()), *CASES]
    # MKL then adds up in one order on every processor, and for every size of a batch.
    subprocess.run(command, check=True, env={**os.environ, "MKL_CBWR": "COMPATIBLE"})
    return folders


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_are_one_rank_of_twice_the_batch(case: str, trained: dict[int, Path]) -> None:
    one, two = (load_file(trained[num] / f"{case}.safetensors") for num in (1, 2))
    assert one.keys() == two.keys()
    gradients = [name for name in one if name.startswith("gradient ")]
    assert difference(one, two, gradients) < 1e-4  # sums come in another order, and batch norms amplify that
    assert torch.allclose(two["losses"], one["losses"], rtol=1e-3)
    others = [name for name in one if name not in gradients and one[name].is_floating_point()]
    assert difference(one, two, others) < 1e-3


def test_ranks_end_with_one_encoder_and_one_of_them_writes_checkpoints(
    trained: dict[int, Path],
) -> None:
    first, second = (load_artifact(trained[2] / f"rank-{rank}", "encoder.json") for rank in (0, 1))
    assert first[1]["execution"] == second[1]["execution"]
    assert all(torch.allclose(tensor, second[0][name], atol=1e-5) for name, tensor in first[0].items())
    assert [path.name for path in trained[2].iterdir() if path.name.startswith(("checkpoint", "."))] == []


def difference(one: dict[str, Tensor], two: dict[str, Tensor], names: list[str]) -> float:
    """The length of all differences against the length of all values."""
    flat = [torch.cat([each[name].flatten() for name in names]) for each in (one, two)]
    return float((flat[0] - flat[1]).norm() / flat[0].norm())


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 33 cannot be shared by 2 ranks; choose a multiple of them"):
        Ranks(0, 2).local_slice(33)
    assert [Ranks(rank, 2).local_slice(6) for rank in range(2)] == [slice(0, 3), slice(3, 6)]


def test_alone_nothing_is_exchanged() -> None:
    rows = torch.ones(3, 2)
    assert SINGLE_PROCESS.all_gather(rows) is rows
    assert Ranks.current() == SINGLE_PROCESS
