"""A server that runs in a process of its own, and models for it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import keras

from bert_tf import export
from bert_tf.checkpoints import model_dir
from tests.bert_tf.serving.fine_tuned_models import write_model
from tests.bert_tf.small_models import VOCABULARY, randomize, small_pretrainer


def write_pretrained(folder, seed=0) -> str:
    keras.utils.set_random_seed(seed)
    model = small_pretrainer()
    randomize(model, scale=0.5)
    description = model_dir.Description(
        kind="pretraining", sentence_task="next_sentence"
    )
    model_dir.save(str(folder), model, VOCABULARY, description, {"seed": seed})
    return str(folder)


def export_models(base, *kinds) -> str:
    """`base/saved` with a model of each kind, named so."""
    for kind in kinds:
        folder = base / "models" / kind
        if kind == "pretraining":
            write_pretrained(folder)
        else:
            write_model(folder, kind)
        export.export(str(folder), kind, saved_models_dir=str(base / "saved"))
    return str(base / "saved")


class Server:
    """`bert_tf.serve` on ports of its own.

    Attributes:
        url: of REST.
        address: of gRPC.
        first_line: that it has printed.
    """

    def __init__(self, *flags: str, rest_port: int = 0) -> None:
        command = [sys.executable, "-u", "-m", "bert_tf.serve"]
        ports = [f"--rest_api_port={rest_port}", "--port=0"]
        self.process = subprocess.Popen(
            [*command, *ports, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.lines = []
        self.first_line = None
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("".join(self.lines))
            self.lines.append(line)
            if "bert_tf.serve is for development" in line:
                self.first_line = line
            found = re.search(r"http://(\S+) \(.*page\), (\S+) \(gRPC\)", line)
            if found:
                self.url, self.address = f"http://{found[1]}", found[2]
                return

    def stop(self, how=signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(how)
        self.lines += self.process.stdout.readlines()
        return self.process.wait(timeout=60)

    def memory(self) -> int:
        """Bytes that it holds."""
        import psutil

        return psutil.Process(self.process.pid).memory_info().rss


@contextlib.contextmanager
def running(*flags, **arguments):
    server = Server(*flags, **arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


def until(condition, seconds=30.0):
    """Waits for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.05)
