"""`python -m wsdash` is `wsdash`."""

import sys

from wsdash.cli import main

if __name__ == "__main__":
    sys.exit(main())
