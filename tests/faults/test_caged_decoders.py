"""Decoders have no secret, bounded memory and bounded processor time; a fault of the machine is not the image's."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.images import decoder_process
from catalog.images.decoder_limits import affordable_decoders, decoder_bytes
from catalog.images.decoder_pool import DecoderPool
from catalog.images.decoder_process import DecoderProcess
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage
from catalog.storage.worker_environment import worker_environment
from tests.catalog.images.sample_images import jpeg

RULES = ImageRules()
SECRETS = (
    "PGPASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_STORAGE_CONNECTION_STRING",
    "MLFLOW_TRACKING_TOKEN",
    "SHELFSIGHT_POSTGRES_URL",
    "SHELFSIGHT_WEBHOOK",
    "HF_TOKEN",
    "KUBERNETES_SERVICE_HOST",
)


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DecoderProcess]:
    """A decoder whose processor time and patience are short."""
    (tmp_path / "image.jpg").write_bytes(jpeg())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(decoder_process, "WORKER", "tests.faults.caged_worker")
    decoder = DecoderProcess(RULES, timeout_s=0.3)
    yield decoder
    decoder.end()


@pytest.mark.parametrize("fault", ["stopped", "killed", "asleep", "crashed", "aborted", "exited"])
def test_what_befalls_a_decoder_once_costs_no_image(process: DecoderProcess, fault: str) -> None:
    results = process.decode([jpeg(seed=1), f"once {fault}".encode(), jpeg(seed=2)])
    assert all(isinstance(result, StoredImage) for result in results)


@pytest.mark.parametrize("fault", ["stopped", "killed", "asleep"])
def test_a_machine_that_stalls_again_and_again_leaves_the_image_to_a_later_download(
    process: DecoderProcess, fault: str
) -> None:
    first, stalled, last = process.decode([jpeg(seed=1), f"always {fault}".encode(), jpeg(seed=2)])
    assert isinstance(stalled, Status) and stalled.retryable
    assert isinstance(first, StoredImage) and isinstance(last, StoredImage)


@pytest.mark.parametrize("fault", ["crashed", "aborted", "exited", "spinning"])
def test_an_image_that_ends_every_decoder_or_uses_its_processor_time_is_corrupt(
    process: DecoderProcess, fault: str
) -> None:
    first, ended, last = process.decode([jpeg(seed=1), f"always {fault}".encode(), jpeg(seed=2)])
    assert ended is Status.CORRUPT
    assert isinstance(first, StoredImage) and isinstance(last, StoredImage)


@pytest.mark.parametrize("fault", ["hungry", "hoarding"])
def test_a_decoder_is_refused_memory_beyond_its_limit(process: DecoderProcess, fault: str) -> None:
    assert process.decode([f"always {fault}".encode()]) == [Status.TOO_LARGE]


def test_a_decoder_leaves_no_core_dump(process: DecoderProcess) -> None:
    assert isinstance(process.decode([b"always dumping"])[0], StoredImage)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """The environment that a decoder really has, of a process with secrets."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SECRETS:
            patch.setenv(name, "secret")
        decoder = DecoderProcess(RULES, timeout_s=20.0)
        try:
            decoder.decode([jpeg()])
            assert decoder._running is not None
            written = Path(f"/proc/{decoder._running[0].pid}/environ").read_bytes()
        finally:
            decoder.end()
    pairs = (each.partition("=") for each in written.decode().split("\0") if each)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("name", SECRETS)
def test_a_decoder_has_no_secret(environment: dict[str, str], name: str) -> None:
    assert name not in environment
    assert "secret" not in environment.values()


def test_a_variable_that_nobody_has_thought_of_is_no_decoder_s() -> None:
    assert "MY_OWN_PASSWORD" not in worker_environment({"MY_OWN_PASSWORD": "secret", "PATH": "/bin"})
    assert worker_environment({"PATH": "/bin"})["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("memory", "max_pixels", "expected"),
    [
        (1 << 30, 50_000_000, 1),
        (4 << 30, 50_000_000, 3),
        (64 << 30, 50_000_000, 57),
        (4 << 30, 178_000_000, 1),
        (0, 50_000_000, 1),
        (4 << 30, 1_000_000, 27),
    ],
)
def test_there_are_as_many_decoders_as_memory_has_room_for(memory: int, max_pixels: int, expected: int) -> None:
    rules = ImageRules(max_pixels=max_pixels)
    assert affordable_decoders(rules, memory) == expected
    assert expected == 1 or expected * decoder_bytes(rules) <= memory


def test_a_pool_returns_a_result_for_every_image_in_order() -> None:
    images = [jpeg(seed=1), b"", jpeg(seed=2), b"%!PS-Adobe-3.0 EPSF-3.0\n", jpeg(seed=3)[:100], jpeg(seed=4)]
    with DecoderPool(RULES, 2) as pool:
        results = pool.decode(images)
        assert pool.decode([]) == []
    assert [type(result) for result in results] == [StoredImage, Status, StoredImage, Status, Status, StoredImage]
    assert [result.data for result in results if isinstance(result, StoredImage)] == images[::2][:2] + images[-1:]


def test_a_worker_that_does_not_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalog.images import worker_processes

    (tmp_path / "deaf_worker.py").write_text(
        "import sys, time\n"
        "from multiprocessing.connection import Connection\n"
        "connection = Connection(int(sys.argv[1]))\n"
        "connection.send_bytes(b'ready')\n"
        "time.sleep(3600)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(decoder_process, "WORKER", "deaf_worker")
    monkeypatch.setattr(worker_processes, "TRANSFER_TIMEOUT_S", 0.2)
    decoder = DecoderProcess(RULES, timeout_s=0.1)
    try:
        [result] = decoder.decode([os.urandom(4_000_000)])
    finally:
        decoder.end()
    assert isinstance(result, Status) and result.retryable


def test_no_decoder_is_left_behind() -> None:
    with DecoderPool(RULES, 2) as pool:
        pool.decode([jpeg(seed=seed) for seed in range(20)])
        running = [process._running[0] for process in pool._processes if process._running is not None]
    assert running
    assert all(isinstance(process, subprocess.Popen) and process.poll() is not None for process in running)
