"""A local AWS KMS with one key, for tests of what a master key wraps."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


class LocalKms:
    """A running server. `key_uri` names its key; `environment` is what a process needs to reach it."""

    def __init__(self, url: str) -> None:
        self.environment = {
            "AWS_ENDPOINT_URL_KMS": url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.client = boto3.client(
            "kms", endpoint_url=url, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local"
        )

    def new_key(self) -> str:
        """Make a key; its URI."""
        return "aws-kms://" + str(self.client.create_key()["KeyMetadata"]["Arn"])


@contextmanager
def local_kms() -> Iterator[LocalKms]:
    """Run a server for the length of a block."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield LocalKms(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalKms]:
    """A server that this process's own clients reach."""
    with local_kms() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running
