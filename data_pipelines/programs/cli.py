"""Turns a frozen dataclass of options into absl flags and runs it as a program."""

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
    """Parses a finite number; absl's own parser accepts `nan`, `inf` and `1e400`."""

    syntactic_help = "a finite number"

    def convert(self, argument: Any) -> float:
        number = super().convert(argument)
        if not math.isfinite(number):
            raise ValueError("not a finite number. Expected one such as 0.1.")
        return number


def _define_float(name: str, default: Any, help: str, **keywords: Any) -> Any:
    serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
    return flags.DEFINE(
        _FiniteFloatParser(), name, default, help, serializer=serializer, **keywords
    )


# For the argument `kept` of `run`.
RESUMED = "The same command resumes from the finished work."
PRINTED = "The printed lines are complete; no file was written."

_DEFINE: dict[Any, Callable] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: _define_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
    typing.Literal: flags.DEFINE_enum,
}


class Stopped(Exception):
    """Ends a program that was asked to stop and has saved its work.

    Args:
        message: a sentence or two for the user.
        exit_code: the exit code of the program.
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
    """Raises ValueError unless all numbers are positive and finite.

    None, which stands for a default, is skipped.
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

    The types of the fields are `str`, `int`, `float`, `bool`, `Literal[...]` of strings
    and `tuple[str, ...]` (comma separated), each also with `| None`.
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
    """Returns the options that the parsed flags describe.

    The `~` of `--name=~/path`, which shells leave as it is, becomes the home directory.

    Raises:
        ValueError: required options are missing.
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
    """Replaces `~/` and `~user/` in a flag's value by home directories.

    They are at its beginning, or after a name, as in `--model_base_path=name=~/path`.
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
    """Runs `verb(options)` as a program: the only statement under `__main__`.

    Errors that a user can cause (`ValueError`, `OSError`, `ImportError`, TensorFlow's
    errors about files and memory) become one line on stderr and exit code 1;
    `--verbosity=1` also shows the traceback. Ctrl-C, SIGTERM and SIGHUP also become one
    line, with exit codes 130, 143 and 129. The exit code is 141 if the output is a
    closed pipe.

    Args:
        options_class: a frozen dataclass whose fields are made by `option`.
        verb: returns the exit code; None means 0.
        description: shown by `--help`, usually the module's `__doc__`.
        kept: a sentence that tells the user what an interrupted program has kept.
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
            # The exit code of Unix programs whose output is no longer read.
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
    """Parses the flags. A wrong flag ends the program with 1, help with 0."""
    # Defined here, because absl has just defined its own.
    flags.DEFINE_flag(HelpFlag("help", "?", shown_help))
    flags.DEFINE_flag(HelpFlag("helpshort", "h", shown_help))
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        message = _one_line(error)
        end = "" if message.endswith((".", "?")) else "."
        sys.exit(_fail(f"{message}{end} --help describes the flags."))
    except SystemExit:  # With 1, where absl has printed all flags.
        sys.exit(0)


def _quieten_tensorflow() -> None:
    """Hides what TensorFlow's Python code logs below WARNING, unless asked to."""
    # `using_default_value` is of no use: absl itself has raised the level to INFO.
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
        standard_logging.getLogger("tensorflow").setLevel(standard_logging.WARNING)


def _fail(message: str, code: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _is_users(error: Exception) -> bool:
    # ImportError: the user can install the package.
    if isinstance(error, (ValueError, OSError, ImportError)):
        return True
    # Looked up by name, so that small programs need not import TensorFlow.
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    return errors is not None and isinstance(error, errors.OpError)


def _one_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:1000]


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint
