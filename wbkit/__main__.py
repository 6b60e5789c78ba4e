"""`python -m wbkit` is `wbkit`."""

import sys

from wbkit.cli import main

sys.exit(main())
