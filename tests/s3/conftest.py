"""Fixtures: a bucket on moto's server on loopback, behind a line that can fail."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from moto.core.authorization import enable_iam_authentication
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

sys.path.insert(0, str(Path(__file__).resolve().parent))

from line import NAME, Line


@pytest.fixture(scope="session")
def moto() -> Iterator[int]:
    """The port of a server for S3 and IAM."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="session")
def switchboard(moto: int) -> Iterator[Line]:
    """The line to the server, with a user's environment that points to it."""
    line = Line(moto)
    thread = threading.Thread(target=line.serve_forever)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", line.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setattr(S3FileSystem, "retries", 2)  # of five, the last waits for a second
        yield line
    line.released.set()
    line.shutdown()
    thread.join()
    line.server_close()


@pytest.fixture
def line(switchboard: Line) -> Iterator[Line]:
    """The line, free of faults."""
    yield switchboard
    switchboard.straight()


@pytest.fixture
def environment(line: Line, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set or remove environment variables for URLs opened from now on."""

    def change(**variables: str | None) -> None:
        for name, value in variables.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()

    yield change
    S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def owner(moto: int) -> Any:
    """A file system with the rights of the bucket's owner, with separate connections."""
    return fsspec.filesystem(
        "s3",
        endpoint_url=f"http://127.0.0.1:{moto}",
        key="testing",
        secret="testing",
        use_listings_cache=False,
        skip_instance_cache=True,
    )


@pytest.fixture
def bucket(line: Line, owner: Any) -> Iterator[Any]:
    """A bucket, with the rights of its owner."""
    owner.mkdir(NAME)
    yield owner
    owner.rm(NAME, recursive=True)


@pytest.fixture
def only() -> Callable[..., Any]:
    """Deny everything except the given rights of one user."""

    @contextmanager
    def make(**rights: str) -> Iterator[tuple[str, str]]:
        iam = boto3.client("iam")
        iam.create_user(UserName="analyst")
        key = iam.create_access_key(UserName="analyst")["AccessKey"]
        statements = [
            {"Effect": "Allow", "Action": f"s3:{action}", "Resource": f"arn:aws:s3:::{resource}"}
            for action, resource in rights.items()
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="analyst", PolicyName="rights", PolicyDocument=policy)
        try:
            with enable_iam_authentication():
                yield key["AccessKeyId"], key["SecretAccessKey"]
        finally:
            iam.delete_user_policy(UserName="analyst", PolicyName="rights")
            iam.delete_access_key(UserName="analyst", AccessKeyId=key["AccessKeyId"])
            iam.delete_user(UserName="analyst")
            iam.close()

    return make
