"""Contracts: the documents modules and ingesters exchange, their canonical form, and what makes one acceptable."""

from jobforge.envelope import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION"]
