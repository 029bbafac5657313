"""Measures a served classifier under load, by number of clients, with batching or not.

    python -m benchmarks.serving --data_dir=data --vocab_file=vocab.txt

A classifier with random weights answers the sentences of SST-2's development set, one
per request, over REST on this machine. Each row is a new server, to which the clients,
threads of this process, send requests without pause; the first two seconds are not
counted. If `torch` and `transformers` are installed, the same model is also measured in
PyTorch's eager mode, in the same server. Server and clients share the cores of this
machine.
"""

import dataclasses
import http.client
import importlib.util
import itertools
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from benchmarks.machine import processor
from bert_tf import convert, export
from bert_tf.checkpoints import model_dir
from bert_tf.models import config as configs
from bert_tf.models.config import BertConfig
from data_pipelines.datasets import catalog
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import Vocabulary

_WARM_UP_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class ServingBenchmarkOptions:
    """Options of the benchmark."""

    data_dir: str = cli.option(cli.REQUIRED, "Folder that contains glue/SST-2.")
    vocab_file: str = cli.option(cli.REQUIRED, "An uncased vocabulary.")
    preset: str = cli.option("mini", f"One of {', '.join(configs.PRESETS)}.")
    seconds: float = cli.option(30.0, "Seconds per row.")
    num_clients: tuple[str, ...] = cli.option(
        ("1", "8", "64"), "Numbers of concurrent clients."
    )


@dataclasses.dataclass(frozen=True)
class Load:
    """The responses that clients received.

    Attributes:
        seconds: latency of each response.
        errors: number of errors.
        duration: duration of the measurement in seconds.
    """

    seconds: list[float]
    errors: int
    duration: float


def main(options: ServingBenchmarkOptions) -> None:
    """Prints a row for each server and number of clients."""
    dataset = catalog.find("glue/sst2")
    examples = catalog.read(dataset, "dev", options.data_dir, ReadLog("dev"))
    texts = [example.first for example in examples]
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}; {options.preset}, float32, {len(texts)} "
        "sentences\n\n| engine | batching | clients | requests/s | p50 | p95 | p99 | "
        "errors |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for engine, module, base in _engines(options, folder):
            for batching, clients in itertools.product(
                (True, False), map(int, options.num_clients)
            ):
                load = _measure(module, base, batching, clients, texts, options.seconds)
                print(_row(engine, batching, clients, load), flush=True)


def _engines(
    options: ServingBenchmarkOptions, folder: str
) -> list[tuple[str, str, str]]:
    """Returns name, server module and base path of each engine."""
    vocabulary = Vocabulary.from_file(options.vocab_file)
    config = BertConfig(**configs.PRESETS[options.preset], vocab_size=len(vocabulary))
    description = model_dir.Description(
        "classification",
        head={"num_outputs": 2},
        encoding={"max_length": 128, "labels": ["negative", "positive"]},
    )
    keras.utils.set_random_seed(0)
    model = model_dir.make_model(config, description)
    model_dir.save(f"{folder}/model", model, vocabulary, description, {})
    export.export(f"{folder}/model", "sst2", saved_models_dir=f"{folder}/saved")
    found = [("TensorFlow", "bert_tf.serve", f"{folder}/saved/sst2")]
    if all(map(importlib.util.find_spec, ("torch", "transformers"))):
        convert.convert(
            convert.ConvertOptions(
                source=f"{folder}/model",
                output_dir=f"{folder}/torch/sst2/1",
                output_format="hugging_face",
            )
        )
        peer = ("PyTorch eager", "benchmarks.serving_peer", f"{folder}/torch/sst2")
        found.append(peer)
    return found


def _measure(
    module: str,
    base: str,
    batching: bool,
    num_clients: int,
    texts: Sequence[str],
    seconds: float,
) -> Load:
    command = [sys.executable, "-u", "-m", module, f"--model_base_path={base}"]
    command += ["--rest_api_port=0", "--port=0"]
    command += ["--enable_batching" if batching else "--noenable_batching"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None  # noqa: S101  it is a pipe
    try:
        for line in server.stdout:
            found = re.search(r"http://(\S+):(\d+)", line)
            if found:
                return _load(found[1], int(found[2]), num_clients, texts, seconds)
        raise ValueError(f"{' '.join(command)} did not start.")
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def _load(
    host: str, port: int, num_clients: int, texts: Sequence[str], seconds: float
) -> Load:
    bodies = [json.dumps({"instances": [text]}) for text in texts]
    begin = time.perf_counter() + _WARM_UP_SECONDS
    end = begin + seconds
    times: list[list[float]] = [[] for _ in range(num_clients)]
    errors = [0] * num_clients

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(host, port)
        for place in itertools.count(number * 37):
            start = time.perf_counter()
            if start > end:
                break
            connection.request(
                "POST", "/v1/models/sst2:predict", bodies[place % len(bodies)]
            )
            response = connection.getresponse()
            content = response.read()
            if response.status != 200 or b"predictions" not in content:
                errors[number] += 1
            elif start > begin:
                times[number].append(time.perf_counter() - start)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(num_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load([t for part in times for t in part], sum(errors), seconds)


def _row(engine: str, batching: bool, clients: int, load: Load) -> str:
    p50, p95, p99 = np.percentile(load.seconds, [50, 95, 99]) * 1e3
    return (
        f"| {engine} | {'on' if batching else 'off'} | {clients} | "
        f"{len(load.seconds) / load.duration:,.0f} | {p50:.1f} ms | {p95:.1f} ms | "
        f"{p99:.1f} ms | {load.errors} |"
    )


if __name__ == "__main__":
    cli.run(ServingBenchmarkOptions, main, __doc__)
