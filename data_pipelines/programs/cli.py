"""A frozen dataclass of options becomes absl flags: an option is written once."""

import dataclasses
import functools
import logging as standard_logging
import math
import os
import re
import signal
import sys
import traceback
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from absl import app, flags, logging

from data_pipelines.programs import interruption
from data_pipelines.programs.help import HelpFlag, help_text, program_name

OptionsT = TypeVar("OptionsT")

REQUIRED: Any = dataclasses.MISSING


class _FiniteFloatParser(flags.FloatParser):
    """Parses a number; absl's own takes `nan`, and `inf` or `1e400` for infinity."""

    syntactic_help = "a finite number"

    def convert(self, argument: Any) -> float:
        number = super().convert(argument)
        if not math.isfinite(number):
            raise ValueError("it is not a finite number. Expected one such as 0.1.")
        return number


def _define_float(name: str, default: Any, help: str, **keywords: Any) -> Any:
    serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
    return flags.DEFINE(
        _FiniteFloatParser(), name, default, help, serializer=serializer, **keywords
    )


# What interrupted programs have kept, see `run`.
RESUMED = "The same command resumes from what is done."
PRINTED = "The lines that were printed are whole; no file was written."

_DEFINE: dict[Any, Callable] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: _define_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
    typing.Literal: flags.DEFINE_enum,
}


class Stopped(Exception):
    """A program has saved its work as it was told to stop; the message is for the user.

    Args:
        message: a sentence or two.
        exit_code: of the program.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def option(default: Any, help: str) -> Any:
    """A dataclass field with a default (or `REQUIRED`) and its flag's help."""
    if isinstance(default, list):
        raise TypeError("Options are immutable: use a tuple for a list of values.")
    return dataclasses.field(default=default, metadata={"help": help}, kw_only=True)


def require_positive(**numbers: float | None) -> None:
    """Raises ValueError where a number is not above 0, or no finite number.

    None may stand for a default.
    """
    wrong = [
        f"{name}={number}"
        for name, number in numbers.items()
        if number is not None and not 0 < number < math.inf
    ]
    if wrong:
        raise ValueError(
            f"Received {', '.join(wrong)}. Expected numbers above 0 that are finite."
        )


def define_flags(options_class: type, flag_values: flags.FlagValues) -> None:
    """Defines one flag for each field of `options_class`.

    `str`, `int`, `float`, `bool`, `Literal[...]` of strings and
    `tuple[str, ...]` (comma separated) are understood, each also with `| None`.
    """
    hints = typing.get_type_hints(options_class)
    for field in dataclasses.fields(options_class):
        default: Any = None if field.default is REQUIRED else field.default
        if isinstance(default, tuple):
            default = list(default)
        kind = _without_none(hints[field.name])
        keywords: dict[str, Any] = {"flag_values": flag_values}
        if typing.get_origin(kind) is typing.Literal:
            keywords["enum_values"] = list(typing.get_args(kind))
        define = _DEFINE[typing.get_origin(kind) or kind]
        define(field.name, default, help=field.metadata["help"], **keywords)


def options_from_flags(
    options_class: type[OptionsT], flag_values: flags.FlagValues
) -> OptionsT:
    """The options that the parsed flags describe.

    Shells leave the `~` of `--name=~/path` alone: it becomes the home directory here.

    Raises:
        ValueError: required ones are missing.
    """
    fields = dataclasses.fields(options_class)  # type: ignore[arg-type]
    values = {field.name: _expanded(flag_values[field.name].value) for field in fields}
    missing = [
        f"--{field.name}"
        for field in fields
        if field.default is REQUIRED and values[field.name] is None
    ]
    if missing:
        raise ValueError(
            f"Received no {', '.join(missing)}. Expected a value for each, as in "
            f"{missing[0]}=...; --help describes them."
        )
    return options_class(**values)


def _expanded(value: Any) -> Any:
    """A flag's value with home directories in place of `~/` and `~user/`.

    They stand at its beginning, or after a name, as in `--model_base_path=name=~/path`.
    """
    if isinstance(value, list):
        return tuple(map(_expanded, value))
    found = re.fullmatch(r"([\w-]+=)?(~[\w.-]*/.*)", str(value), re.DOTALL)
    if found is None:
        return value
    name, path = found.groups("")
    return name + os.path.expanduser(path)


def run(
    options_class: type[OptionsT],
    verb: Callable[[OptionsT], int | None],
    description: str,
    kept: str = "Nothing was written.",
) -> None:
    """Runs `verb(options)` as a program; the only thing under a `__main__`.

    What a user can cause (`ValueError`, `OSError`, `ImportError`, TensorFlow's own
    errors on files and memory) ends in one line on stderr and exit code 1;
    `--verbosity=1` shows the traceback as well. So do Ctrl-C, with 130, SIGTERM, with
    143, and SIGHUP, with 129. Output that nobody reads ends it with 141.

    Args:
        options_class: a frozen dataclass whose fields are made by `option`.
        verb: returns the exit code; None means 0.
        description: shown by `--help`, usually the module's `__doc__`.
        kept: a sentence for whoever has interrupted it: what of the work is kept.
    """
    define_flags(options_class, flags.FLAGS)
    sys.modules["__main__"].__doc__ = description  # For --helpfull.
    shown_help = help_text(program_name(), description, options_class)

    def main(arguments: list[str]) -> int:
        if len(arguments) > 1:
            return _fail(
                f"Received the arguments {arguments[1:]}, expected only flags: "
                "write --name=value, and quote a value that holds spaces or *."
            )
        _quieten_tensorflow()
        with interruption.handled(kept):
            return exit_code()

    def exit_code() -> int:
        try:
            options = options_from_flags(options_class, flags.FLAGS)
            return verb(options) or 0
        except Stopped as stopped:
            print(stopped)
            return stopped.exit_code
        except BrokenPipeError:
            # As programs of Unix end when nobody reads their output any more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        except Exception as error:
            if not _is_users(error):
                raise
            if logging.get_verbosity() >= logging.DEBUG:
                traceback.print_exc()
            return _fail(_one_line(error))

    app.run(main, flags_parser=functools.partial(_parse, shown_help))


def _parse(shown_help: str, arguments: list[str]) -> list[str]:
    """Parses the flags; ends the program after a wrong flag, or with 0 after help."""
    # Here, where absl has defined its own.
    flags.DEFINE_flag(HelpFlag("help", "?", shown_help))
    flags.DEFINE_flag(HelpFlag("helpshort", "h", shown_help))
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        sys.exit(_fail(f"{_one_line(error)} --help describes the flags."))
    except SystemExit:  # With 1, where absl has printed all flags.
        sys.exit(0)


def _quieten_tensorflow() -> None:
    """Lets TensorFlow's Python side warn, but not chat, unless asked to."""
    # Not `using_default_value`: absl itself has raised it to INFO by now.
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
        standard_logging.getLogger("tensorflow").setLevel(standard_logging.WARNING)


def _fail(message: str, code: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _is_users(error: Exception) -> bool:
    # A package that is not installed is for the user to install.
    if isinstance(error, (ValueError, OSError, ImportError)):
        return True
    # Asked for by name, so that the light verbs need not import TensorFlow.
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    return errors is not None and isinstance(error, errors.OpError)


def _one_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:1000]


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint
