"""Print the OpenAPI description: `python -m longhouse.api > docs/openapi.json`."""

from __future__ import annotations

import json
import sys

from longhouse.api import router
from longhouse.api.openapi import description

json.dump(description(router), sys.stdout, indent=1, ensure_ascii=False)
sys.stdout.write("\n")
