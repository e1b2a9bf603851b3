"""The copy of `zerg` that children import: the one thing of ours they see."""

from __future__ import annotations

import hashlib
import os
import py_compile
import shutil
import tempfile
from pathlib import Path

import zerg
from longhouse.version import VERSION

SOURCE = Path(zerg.__file__).parent
BOOTSTRAP = "bootstrap.py"


def sdk(cache: Path) -> Path:
    """The folder with the copy, made if it is missing or has been changed. For the start of the instance: 20 ms."""
    files = {f"zerg/{path.relative_to(SOURCE)}": path.read_bytes() for path in sorted(SOURCE.rglob("*.py"))}
    files[BOOTSTRAP] = files.pop("zerg/_bootstrap.py")
    wanted = fingerprint(files)
    target = cache / f"sdk-{VERSION}-{wanted[:16]}"
    if target.is_dir():
        if fingerprint({name: (target / name).read_bytes() for name in files if (target / name).is_file()}) == wanted:
            return target
        shutil.rmtree(target)
    cache.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".sdk-", dir=cache))
    try:
        for name, content in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name in files:
            if name != BOOTSTRAP:
                compiled(made / name, target / name)
        made.chmod(0o755)
        os.rename(made, target)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not target.is_dir():  # else somebody else was first
            raise
    return target


def compiled(source: Path, shown: Path) -> None:
    """Byte code beside the source, never compared with it: the folder's name says what is in it."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), dfile=str(shown), doraise=True, invalidation_mode=mode)


def fingerprint(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()
