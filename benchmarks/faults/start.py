"""Server that has imported TensorFlow, and forks a process for each program to run.

    python -m benchmarks.faults.start

It reads a line of JSON for each program, `[module, flags, log, environment]`, and
answers with the process id, and after the program has ended with its `waitpid` status.
The fork saves the time of the imports, and otherwise behaves like `python -m module`: a
process in a new session, with the signal handlers of a new Python process. No op has
run before the fork, so there are no TensorFlow threads that would be lost.
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
    # Modules that these import lazily.
    *("scipy.stats", "seqeval.metrics", "sklearn.metrics", "gensim.models"),
    "matplotlib.figure",
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Serves until the input ends; returns in each child, which becomes the program."""
    for module in MODULES:
        importlib.import_module(module)
    # Otherwise garbage collection in a child would copy the memory of all imports.
    gc.freeze()
    _answer("ready")
    for line in sys.stdin:
        module, flags, log, environment = json.loads(line)
        # Signals are blocked until the child has become the program.
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
    # Exits without running any cleanup of libraries.
    os._exit(0)


def _answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def _become(
    module: str, flags: list[str], log: str, environment: dict[str, str]
) -> None:
    os.setsid()
    for number in _SIGNALS:
        # The default also for Ctrl-C, as while `python -m` imports our packages.
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
    # It is run as __main__, so it must not be imported already.
    del sys.modules[module]
    _PROGRAM.append(module)


_PROGRAM: list[str] = []

if __name__ == "__main__":
    main()
    # At the top level, like `python -m`: nothing catches its errors.
    runpy.run_module(_PROGRAM[0], run_name="__main__", alter_sys=True)
