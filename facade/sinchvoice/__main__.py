"""`python -m sinchvoice` is the command `sinchvoice`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
