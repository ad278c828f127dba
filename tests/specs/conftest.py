"""Make the maintainers' scripts importable, and provide a publisher on this machine.

The scripts are not a package and not in the wheel.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]

from publisher import Publisher  # noqa: E402 (importable after the lines above)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Publisher]:
    """An https server with a trusted certificate."""
    with Publisher() as running:
        running.authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        yield running
