"""The start of a program, before it imports TensorFlow, which takes seconds."""

import os
import platform
import signal
import sys

from data_pipelines.programs import stderr_filter
from data_pipelines.programs.backend import require_tensorflow


def start_if_program(package: str) -> None:
    """Starts what was called as `python -m PACKAGE.verb`.

    For the `__init__` of the package, which runs first. For those who import the
    package, TensorFlow's notes (which CPU instructions, no GPU found) become fewer, and
    nothing else changes.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # What it holds while Python looks for the module of -m.
    if sys.argv[:1] == ["-m"] and any(
        name.removeprefix("-m").startswith(f"{package}.") for name in sys.orig_argv
    ):
        start()


def start() -> None:
    """Prepares the process for TensorFlow.

    Lets Ctrl-C end the program without a traceback while it imports, hides the lines
    with which TensorFlow starts, and enables oneDNN, unless TF_ENABLE_ONEDNN_OPTS says
    otherwise: TensorFlow does so itself only on CPUs with VNNI, BF16 or AMX, but
    products with their bias and GELU are faster on others, too.

    Raises:
        SystemExit: the backend of Keras is not TensorFlow.
    """
    try:
        require_tensorflow("this program")
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # On ARM the variable chooses another library.
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    stderr_filter.begin()
