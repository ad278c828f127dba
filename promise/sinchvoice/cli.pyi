# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

__all__ = ['main']

def main(arguments: Sequence[str] | None = None) -> int: ...
