"""A server that has imported TensorFlow, and forks a process for each program to run.

    python -m benchmarks.faults.start

It reads a line of JSON for each program, `[module, flags, log, environment]`, and
answers with its process id; when the program has ended, with its status of `waitpid`.
The fork saves the seconds of the imports, and is else what `python -m module` is: a
process of its own session, with the signals as they are at the start of Python. No op
has run before it, so TensorFlow has no threads that a fork would lose.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys

MODULES = (
    "bert_tf.convert",
    "bert_tf.export",
    "bert_tf.extract_features",
    "bert_tf.finetune",
    "bert_tf.learn_vectors",
    "bert_tf.neighbors",
    "bert_tf.predict",
    "bert_tf.pretrain",
    "data_pipelines.corrupt_text",
    "data_pipelines.create_pretraining_data",
    "data_pipelines.learn_vocabulary",
    # What they import when they need it.
    *("scipy.stats", "seqeval.metrics", "sklearn.metrics", "gensim.models"),
    "matplotlib.figure",
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Serves until the input ends; returns in each child, which is the program."""
    for module in MODULES:
        importlib.import_module(module)
    # Else each collection of a child would copy the memory of all that is imported.
    gc.freeze()
    _answer("ready")
    for line in sys.stdin:
        module, flags, log, environment = json.loads(line)
        # A signal waits until the child is the program.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        process = os.fork()
        if process == 0:
            _become(module, flags, log, environment)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _answer(process)
        _, status = os.waitpid(process, 0)
        _answer(status)
    # Nothing of it is to be run, not even the ends of libraries.
    os._exit(0)


def _answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def _become(
    module: str, flags: list[str], log: str, environment: dict[str, str]
) -> None:
    os.setsid()
    for number in _SIGNALS:
        # For Ctrl-C, what `python -m` does while it imports our packages.
        signal.signal(number, signal.SIG_DFL)
    os.environ.update(environment)
    for number, path in enumerate((os.devnull, f"{log}.stdout", f"{log}.stderr")):
        mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        file = os.open(path, mode, 0o644)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if environment:
        import ctypes

        ctypes.CDLL(None).failing_disk_arm()
    sys.argv = [module, *flags]
    # It is run as __main__, which `python -m` has not imported before.
    del sys.modules[module]
    _PROGRAM.append(module)


_PROGRAM: list[str] = []

if __name__ == "__main__":
    main()
    # At the top, as `python -m` runs it: nothing catches its errors.
    runpy.run_module(_PROGRAM[0], run_name="__main__", alter_sys=True)
