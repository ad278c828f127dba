"""A standalone cluster of Spark on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

import pyspark

HOME = Path(pyspark.__file__).parent
LEAN = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # starts sooner


class Cluster:
    """A master, and two workers with one executor each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        self.url = ""
        self.workers: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        """Start the processes, each in its own process group."""
        master = self._start("master.Master", "--port", "0", "--webui-port", "0")
        self.url = self._announced(master, r"Starting Spark master at (spark://\S+)")
        for number in range(2):
            worker = self._start(
                *("worker.Worker", "--port", "0", "--webui-port", "0", "--cores", "1"),
                *("--memory", "1g", "--work-dir", str(self._folder / f"worker-{number}"), self.url),
            )
            self.workers.append(worker)

    def wait_for_workers(self) -> None:
        """Wait until the workers are ready, which takes as long as starting a session."""
        for worker in self.workers:
            self._announced(worker, "(Successfully registered) with master")

    def stop(self) -> None:
        """Stop the processes."""
        for process in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stderr is not None
            process.stderr.close()

    def kill_a_worker(self) -> None:
        """Kill a worker and its executor."""
        os.killpg(self.workers[0].pid, signal.SIGKILL)

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [HOME / "bin" / "spark-class", f"org.apache.spark.deploy.{name}"]
            + ["--host", "127.0.0.1", *arguments],
            env={
                **os.environ,
                "SPARK_HOME": str(HOME),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "SPARK_DAEMON_MEMORY": "256m",
                "SPARK_DAEMON_JAVA_OPTS": LEAN,
            },
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def _announced(self, process: subprocess.Popen[str], pattern: str) -> str:
        """Return a value that a process announces in its log, and read on in a thread."""
        log: IO[str] | None = process.stderr
        assert log is not None
        before = []
        for line in log:
            before.append(line)
            if found := re.search(pattern, line):
                threading.Thread(target=_drain, args=[log], daemon=True).start()
                return found[1]
        raise AssertionError("".join(before))


def _drain(log: IO[str]) -> None:
    with suppress(ValueError):  # closed
        for _ in log:
            pass
