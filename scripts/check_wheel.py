"""Uses the built wheel as a stranger would: `nox -s build` runs this file.

The newest wheel of a folder is installed into an empty environment, where the first example of the
README runs against a sandbox; the sandbox belongs to the environment that runs this.
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from sinchvoice.sandbox import running

README = Path(__file__).resolve().parent.parent / "README.md"


def main(folder: Path) -> int:
    """Run the example and return its exit code."""
    wheel = max(folder.glob("sinchvoice-*.whl"), key=lambda path: path.stat().st_mtime)
    example = re.search(
        r"^```python\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert example is not None
    with tempfile.TemporaryDirectory() as scratch, running() as box:
        venv.create(scratch, with_pip=True)
        python = str(Path(scratch) / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", str(wheel)])
        subprocess.check_call([python, "-m", "pip", "list"])
        return subprocess.call(
            [python, "-c", example[1]], cwd=scratch, env={**os.environ, **box.environ}
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
