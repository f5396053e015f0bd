"""Spark cluster: a real one on loopback, a master and workers, each a process that can be killed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from benchmarks.origin import free_port

SPARK_HOME = Path(pyspark.__file__).parent
LOOPBACK = "127.0.0.1"
EXECUTOR_CLASS = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


@dataclass
class Cluster:
    """A master and its workers; their logs are in ``folder``."""

    folder: Path
    port: int
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def master(self) -> str:
        return f"spark://{LOOPBACK}:{self.port}"

    def start_worker(self) -> None:
        """Starts a worker with one core, at an address of its own: Spark copies no task onto the same machine."""
        number = len(self.processes)
        work_folder = self.folder / f"worker-{number}"
        words = [
            "--host",
            f"127.0.1.{number}",
            "--cores",
            "1",
            "--memory",
            "1g",
            "--work-dir",
            str(work_folder),
            self.master,
        ]
        self.workers.append(self.start("org.apache.spark.deploy.worker.Worker", *words))

    def start(self, kind: str, *words: str) -> "subprocess.Popen[bytes]":
        """Starts a process of Spark's."""
        with (self.folder / f"process-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(SPARK_HOME / "bin" / "spark-class"), kind, *words, "--webui-port", str(free_port())],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def environment(self) -> dict[str, str]:
        """Returns the environment of its processes, without this project."""
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_DAEMON_MEMORY": "256m",
        }
        return variables | {name: os.environ[name] for name in ("JAVA_HOME", "JAVA_TOOL_OPTIONS") if name in os.environ}

    def kill_worker(self, worker: "subprocess.Popen[bytes]") -> None:
        """Kills a worker and its executors at once, as if their machine was lost."""
        pids = [*executors_of(worker.pid), worker.pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    def wait_for(self, session: SparkSession) -> None:
        """Waits until the session has an executor on every worker."""
        known = session.sparkContext._jsc.sc()  # the driver is counted, too
        until(lambda: known.getExecutorMemoryStatus().size() == 1 + len(self.workers), "an executor on each worker")

    def executors(self) -> list[int]:
        """Returns the process ids of all executors."""
        return [pid for worker in self.workers for pid in executors_of(worker.pid)]


def executors_of(worker_pid: int) -> list[int]:
    """Returns the process ids of the executors that a worker has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            is_executor = EXECUTOR_CLASS in (path / "cmdline").read_text().split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if parent == worker_pid and is_executor:
            found.append(int(path.name))
    return found


@contextmanager
def running(folder: Path, num_workers: int) -> Iterator[Cluster]:
    """Runs a cluster until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, free_port())
    try:
        cluster.start("org.apache.spark.deploy.master.Master", "--host", LOOPBACK, "--port", str(cluster.port))
        until(lambda: _listens(cluster.port), "the master")
        for _ in range(num_workers):
            cluster.start_worker()
        yield cluster
    finally:
        for process in cluster.processes:
            if process.poll() is None:
                for pid in executors_of(process.pid):
                    os.kill(pid, signal.SIGKILL)
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def until(is_true: Callable[[], object], awaited: str, timeout_s: float = 60.0) -> None:
    """Waits until a condition is true; raises TimeoutError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{awaited} was not ready within {timeout_s:.0f} s")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex((LOOPBACK, port)) == 0
