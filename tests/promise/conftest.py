"""Makes the maintainer's scripts importable: they are no package and are not in the wheel."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
