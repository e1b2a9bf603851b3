"""`python -m bench [name…]`: runs the `main()` of every bench, or of those named, and prints what they measure."""

import importlib
import pkgutil
import sys

import bench


def main() -> None:
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        sys.exit(f"no such bench: {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in sys.argv[1:] or names:
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
