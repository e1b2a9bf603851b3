"""What every document of the contract has in common."""

from typing import Final

SCHEMA_VERSION: Final = "2024-09-01"
MODULE_ID: Final = "growth"
HASH_ALGORITHM: Final = "sha256"
CANONICALIZATION: Final = "sorted_keys"
