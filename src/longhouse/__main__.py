"""`python -m longhouse` is `longhouse-jobs`."""

from __future__ import annotations

import sys

from longhouse.cli import main

sys.exit(main())
