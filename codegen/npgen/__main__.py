"""``python3 -m npgen``."""

import sys

from .cli import main

sys.exit(main())
