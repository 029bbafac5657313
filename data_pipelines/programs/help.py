"""The text of `--help`: how the program is called, its description and its options."""

import dataclasses
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from absl import flags

_WIDTH = 80
_FOOTER = """\
--verbosity=1 shows more messages, and the traceback of an error. --flagfile=PATH reads
options from a file, one per line. --helpfull also lists the flags of the libraries.
"""


class HelpFlag(flags.BooleanFlag):
    """A flag that prints a text to stdout and ends the program with exit code 0.

    It takes the place of absl's flag of the same name.

    Args:
        name: the name of the flag.
        short_name: another name, of one letter.
        text: what is printed.
    """

    def __init__(self, name: str, short_name: str, text: str) -> None:
        super().__init__(
            name, False, "show this help", short_name=short_name, allow_override=True
        )
        self._text = text

    def parse(self, argument: Any) -> None:
        """Prints the text, if the flag is true."""
        if self._parse(argument):
            print(self._text, end="")
            sys.exit(0)


def program_name() -> str:
    """The command that started this program, such as `python -m bert_tf.pretrain`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return f"python {sys.argv[0]}"
    name = spec.name.removesuffix(".__main__")
    if any(argument.removeprefix("-m") == name for argument in sys.orig_argv):
        return f"python -m {name}"
    return f"bert-tf {name.partition('.')[2]}"


def help_text(name: str, description: str, options_class: type) -> str:
    """The text of `--help`.

    Args:
        name: `program_name()`.
        description: the docstring of the program's module. Its examples are shown as
            the user calls the program: by `python -m`, or by `bert-tf`.
        options_class: a dataclass whose fields are made by `cli.option`. Options that
            it inherits have sections of their own, below the docstring of their class.
    """
    if name.startswith("bert-tf "):
        command = r"python -m (?:bert_tf|data_pipelines)\.(?=\w)"
        description = re.sub(command, "bert-tf ", description)
    parts = [description.strip(), f"Usage: {name} [--option=value ...]"]
    hints = typing.get_type_hints(options_class)
    for title, fields in _sections(options_class):
        options = [_described(field, hints[field.name]) for field in fields]
        parts.append("\n".join([f"{title}:", *options]))
    return "\n\n".join([*parts, _FOOTER])


def _sections(options_class: type) -> Iterator[tuple[str, list[dataclasses.Field]]]:
    """Options by the class that defines them, its own first; required ones on top."""
    left: Mapping[str, dataclasses.Field] = {
        field.name: field for field in dataclasses.fields(options_class)
    }
    for each in options_class.__mro__:
        names = inspect.get_annotations(each)
        own = [left[name] for name in names if name in left]
        left = {name: f for name, f in left.items() if f not in own}
        own.sort(key=lambda field: field.default is not dataclasses.MISSING)
        if own:
            yield _title(options_class, each), own


def _title(options_class: type, each: type) -> str:
    if each is options_class:
        return "Options"
    summary = (each.__doc__ or "Other options").partition("\n\n")[0]
    return " ".join(summary.split()).removesuffix(".")


def _described(field: dataclasses.Field, hint: Any) -> str:
    text = " ".join(field.metadata["help"].split())
    if field.default is dataclasses.MISSING:
        text = f"{text} (required)"
    elif field.default not in (None, "", ()):
        text = f"{text} (default: {_shown(field.default)})"
    lines = textwrap.wrap(text, _WIDTH - 6, break_on_hyphens=False)
    return "\n      ".join([f"  {_usage(field.name, hint)}", *lines])


def _usage(name: str, hint: Any) -> str:
    kinds = [hint, *typing.get_args(hint)]
    if bool in kinds:
        return f"--[no]{name}"
    choices = [
        choice
        for kind in kinds
        if typing.get_origin(kind) is typing.Literal
        for choice in typing.get_args(kind)
    ]
    if choices:
        return f"--{name}={'|'.join(choices)}"
    if int in kinds:
        return f"--{name}=INTEGER"
    if float in kinds:
        return f"--{name}=NUMBER"
    is_list = any(typing.get_origin(kind) is tuple for kind in kinds)
    return f"--{name}={'TEXT,...' if is_list else 'TEXT'}"


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(default)
