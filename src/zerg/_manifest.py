"""Read a manifest: execute it, and describe what it registered; or read functions in the environment of their file."""

from __future__ import annotations

import sys

from zerg._script import Placeholder, script_block
from zerg._tree import ManifestLoader, function_line, install, relative
from zerg._wire import Busy, FunctionsRead, JobDescription, ManifestFailed, ManifestRead, ReadManifest
from zerg.jobs.registry import JobConfigError, Registration, job_registry
from zerg.parameters import BadParameters, Signature, SignatureError, coerce, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    from zerg._channel import Channel

PACKAGE_HINT = "Add {0} to requirements.txt, or give the job file a '# /// script' block with its own dependencies."


def answer(request: ReadManifest, channel: Channel) -> None:
    """Send how reading went. The timer of a slow manifest is stopped before: it writes to the channel, too."""
    import gc

    gc.set_threshold(50_000)  # modules and jobs are no garbage: hundreds of them are not looked through again and again
    tell_when_busy(request, channel)
    try:
        found: ManifestRead | FunctionsRead | ManifestFailed
        found = read_functions(request) if request.modules else read(request.tree)
    except BaseException as error:  # also sys.exit() and KeyboardInterrupt: they are mistakes in a manifest
        found = failed(error, request.tree)
    finally:
        tell_when_busy(request, None)
    channel.send(found)


def tell_when_busy(request: ReadManifest, channel: Channel | None) -> None:
    """Every so often say at which line of the tree we are; None stops it. What the line does goes on undisturbed."""
    import _signal as signal  # type: ignore[import-not-found]  # without the enums that take a third of a start

    def tell(_number: int, frame: FrameType | None) -> None:
        while frame is not None:
            file = relative(frame.f_code.co_filename, request.tree)
            if file is not None and channel is not None:
                channel.send(Busy(file=file, line=frame.f_lineno))
                return
            frame = frame.f_back

    signal.signal(signal.SIGALRM, tell if channel else signal.SIG_IGN)
    seconds = request.busy_after_seconds if channel else 0
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)


def read(tree: str) -> ManifestRead:
    install(tree, ManifestLoader)
    job_registry.tree = tree
    execute(tree)
    job_registry.check_groups()
    return ManifestRead(jobs=tuple(described(each, tree) for each in job_registry.registrations.values()))


def execute(tree: str) -> Any:
    """Execute manifest.py and return the module. It counts as a package, so `from .jobs.x import run` works too."""
    path = f"{tree}/manifest.py"
    try:
        with open(path, "rb") as file:
            source = file.read()
    except FileNotFoundError:
        raise JobConfigError("manifest.py is missing.", ("manifest.py", 1)) from None
    if script_block(source.decode(errors="replace")) is not None:
        raise JobConfigError(
            "manifest.py cannot have requirements of its own; put them into requirements.txt, or into the job's file.",
            ("manifest.py", 1),
        )
    module = type(sys)("manifest")
    module.__file__, module.__path__, module.__package__ = path, [tree], "manifest"
    sys.modules["manifest"] = module
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # that is what a manifest is for
    return module


def described(registration: Registration, tree: str) -> JobDescription:
    config, (file, line) = registration.config, registration.place
    try:
        module, name, source_file, source_line, wanted = found_function(config.func, tree)
        params = config.params
        if wanted is not None:
            scheduled = config.cron is not None or config.every is not None
            params = coerce(wanted.parameters, params, partial=not scheduled)
    except (SignatureError, BadParameters) as problem:
        raise JobConfigError(f"job {config.id!r}: {problem}.", registration.place) from None
    settings = vars(config).copy()
    del settings["func"]
    settings.update(
        params=params,
        parameters=wanted.parameters if wanted else (),
        wants_context=bool(wanted and wanted.context),
        module=module,
        function=name,
        file=file,
        line=line,
        source_file=source_file,
        source_line=source_line,
        script_environment=wanted is None,
        placeholder=wanted is None,
    )
    return JobDescription.of(settings)


def found_function(func: Any, tree: str) -> tuple[str, str, str, int, Signature | None]:
    """Module, name, file and line to find `func` again, and its signature (None if it cannot be read here)."""
    module = sys.modules.get(func.__module__)
    file = relative(getattr(module, "__file__", None) or "", tree)
    if module is None or file is None:
        raise SignatureError(
            f"func is {func.__qualname__}() of {func.__module__}, which is no file of this repo; "
            "write a function in a job file that calls it"
        )
    plain = func.__module__.removeprefix("manifest.")
    if isinstance(func, Placeholder):
        code: CodeType = module.__loader__.get_code(func.__module__)  # type: ignore[union-attr]
        return plain, func.__name__, file, function_line(code, func.__name__), None
    name = name_of(func, module)
    if name is None:
        raise SignatureError(
            f"func is {func.__qualname__}, which {file} does not name; give it a name at the top level of the file "
            "(a decorator keeps the name with functools.wraps)"
        )
    return plain, name, file, func.__code__.co_firstlineno, signature(func)


def name_of(func: Any, module: Any) -> str | None:
    if resolved(module, func.__qualname__) is func:
        return str(func.__qualname__)
    return next((name for name, value in vars(module).items() if value is func), None)


def resolved(module: Any, name: str) -> Any:
    """`module.name`, dots included; None if there is no such thing."""
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def read_functions(request: ReadManifest) -> FunctionsRead:
    """Import each module for real: this is the environment of the file that defines it."""
    install(request.tree)
    wanted, lines = [], []
    for module, name in zip(request.modules, request.functions, strict=True):
        function = imported(module, name)
        try:
            wanted.append(signature(function))
        except SignatureError as problem:
            raise JobConfigError(f"{module}.{name}(): {problem}.", place_of(function, request.tree)) from None
        lines.append(place_of(function, request.tree)[1])
    return FunctionsRead(
        parameters=tuple(each.parameters for each in wanted),
        wants_context=tuple(each.context is not None for each in wanted),
        source_lines=tuple(lines),
    )


def imported(module: str, name: str) -> Callable[..., Any]:
    """The function `name` of `module`. Raises JobConfigError if there is none."""
    __import__(module)
    found = resolved(sys.modules[module], name)
    if not callable(found):
        raise JobConfigError(f"{module} has no function {name}().", (module.replace(".", "/") + ".py", 1))
    return found  # type: ignore[no-any-return]


def place_of(function: Any, tree: str) -> tuple[str, int]:
    code = getattr(function, "__code__", None)
    if code is None:
        return "manifest.py", 1
    return relative(code.co_filename, tree) or code.co_filename, code.co_firstlineno


def failed(error: BaseException, tree: str) -> ManifestFailed:
    from zerg._failure import failure, tree_steps

    found = failure(error, tree)
    file, line, hint = found.file, found.line, ""
    sentence = f"{found.error_type}: {found.message}" if found.message != found.error_type else found.error_type
    if isinstance(error, JobConfigError):
        sentence = found.message
        file, line = error.place or (file, line)
    elif isinstance(error, SyntaxError):
        sentence = f"{found.error_type}: {error.msg}"
    elif isinstance(error, SystemExit):
        sentence = (
            f"{file} calls sys.exit({'' if error.code is None else repr(error.code)}) while it is being imported."
        )
        hint = "A manifest only registers jobs; what a job does belongs into its function."
    elif isinstance(error, MemoryError):
        sentence = "Reading it needs more memory than the manifest may use."
    elif isinstance(error, RecursionError):
        sentence = f"Endless recursion: {found.message}"
    elif isinstance(error, (ImportError, AttributeError)) and is_loop(error, found.message):
        steps = [each for each, _ in tree_steps(error.__traceback__, tree)]
        loop = " -> ".join(dict.fromkeys(steps))
        sentence = f"import loop: {loop} -> {looped(error, steps)}: {found.message}"
        hint = "Move what both files need into a third one."
    elif isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        hint = PACKAGE_HINT.format(top)
        if resolved(sys.modules.get(top), "__path__") is not None:
            hint = f"There is no file {error.name.replace('.', '/')}.py in the repo."
    return ManifestFailed(error=sentence, file=file, line=line, traceback=found.traceback, hint=hint)


def is_loop(error: ImportError | AttributeError, message: str) -> bool:
    """Python says so, except when it is the manifest that is imported while it is being executed."""
    return "circular import" in message or (isinstance(error, ImportError) and error.name == "manifest")


def looped(error: BaseException, steps: list[str]) -> str:
    """The file in which an import loop closes."""
    name, owner = getattr(error, "name", None) or "", getattr(getattr(error, "obj", None), "__name__", "")
    for module in (name, f"{owner}.{name}", owner):
        closing = f"{module.removeprefix('manifest.').replace('.', '/')}.py"
        if closing in steps:
            return closing
    return next(iter(steps), "manifest.py")
