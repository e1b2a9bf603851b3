"""The version, where `--version` finds it without importing anything: reading the package's metadata takes 100 ms."""

VERSION = "0.1.0"
