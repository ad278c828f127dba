"""A cluster of Spark, a session on it, and the path to the modules of other tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

sys.path[:0] = [str(Path(__file__).resolve().parents[number]) for number in (0, 1)]

from cluster import LEAN, Cluster  # noqa: E402 - found there


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def session(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session on the cluster; its time zone reveals UTC times that are read as local times."""
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": LEAN,
        "spark.driver.host": "127.0.0.1",
        "spark.executor.extraJavaOptions": LEAN,
        "spark.sql.adaptive.enabled": "false",  # a job for each exchange
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",  # few rows are not worth a compilation
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    os.environ["PYSPARK_PYTHON"] = sys.executable  # Java reads it when it starts
    made = SparkSession.Builder().master(cluster.url).config(map=settings).getOrCreate()
    cluster.wait_for_workers()
    made.sparkContext.setLogLevel("OFF")
    yield made
    made.stop()
