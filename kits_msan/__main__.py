"""`python -m kits_msan`: the command `kits-msan`, where a shell does not find its script."""

import sys

from kits_msan.cli import main

if __name__ == "__main__":
    sys.exit(main())
