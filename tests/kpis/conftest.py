"""Make the oracle importable for the tests on DuckDB and on Spark."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
