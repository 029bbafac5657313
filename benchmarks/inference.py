"""Measures the speed from strings to sentence vectors on a CPU, beside other programs.

    python -m benchmarks.inference --source=all-MiniLM-L6-v2 --data_dir=data \\
        --work_dir=inference

The source is a Hugging Face folder with a WordPiece tokenizer; with --base its
tokenizer serves an encoder of the size of BERT base with random weights. Its
SavedModels are compared with PyTorch, ONNX Runtime (float32, and int8 in two ways that
do not saturate where the CPU has no VNNI) and OpenVINO, on sentences of SST-2, in their
order and sorted by length, and on paragraphs of SQuAD. Peers pad to the longest text of
a batch.

All sides stay loaded and are asked in turn. Prints texts a second, the medians of the
rounds; and the cosines with PyTorch's vectors. Needs torch, transformers, onnx,
onnxscript, onnxruntime and openvino.
"""

import contextlib
import csv
import dataclasses
import json
import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from multiprocessing.connection import Connection

import numpy as np

from benchmarks import inference_sides
from benchmarks.inference_sides import SIDES
from benchmarks.machine import instruction_sets, processor
from data_pipelines.programs import cli

_PACKAGES = ("tensorflow", "torch", "transformers", "onnxruntime", "openvino")
# Numbers of sentences and paragraphs for a small model and for one of base size.
_SMALL, _BASE = (200, 50), (64, 16)


@dataclasses.dataclass(frozen=True)
class InferenceOptions:
    """Options of the benchmark."""

    source: str = cli.option(cli.REQUIRED, "A Hugging Face folder.")
    data_dir: str = cli.option(cli.REQUIRED, "Folder with glue/SST-2 and squad.")
    work_dir: str = cli.option(cli.REQUIRED, "Folder for the converted models.")
    base: bool = cli.option(False, "Whether to make a random encoder of base size.")
    sides: tuple[str, ...] = cli.option(tuple(SIDES), "Those to compare.")
    batch_sizes: tuple[str, ...] = cli.option(("1", "8", "32"), "Texts of a call.")
    num_rounds: int = cli.option(3, "Rounds in which all sides are asked in turn.")
    text_sets: tuple[str, ...] = cli.option(
        ("sst2", "sst2_sorted", "squad"), "Texts to embed."
    )

    def __post_init__(self) -> None:
        unknown = set(self.sides) - set(SIDES)
        if unknown:
            raise ValueError(
                f"Received the sides {sorted(unknown)}. Expected some of {list(SIDES)}."
            )


def main(options: InferenceOptions) -> None:
    """Prints a table for each number of threads, and the agreement."""
    sides = options.sides
    prepare(options)
    texts = read_texts(options.data_dir, _BASE if options.base else _SMALL)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    print(f"{processor()} ({', '.join(instruction_sets())}); {versions}", flush=True)
    for one_thread in (True, False):
        with running(options.work_dir, sides, one_thread) as workers:
            count = 1 if one_thread else len(os.sched_getaffinity(0))
            print(f"\n{count} thread(s), texts a second\n")
            print(f"| texts | batch | {' | '.join(sides)} |")
            print("|---" * (len(sides) + 2) + "|", flush=True)
            for name in options.text_sets:
                for size in map(int, options.batch_sizes):
                    rates = measured(
                        workers, batches(texts[name], size), options.num_rounds
                    )
                    cells = " | ".join(f"{rate:.0f}" for rate in rates)
                    print(f"| {name} | {size} | {cells} |", flush=True)
            if not one_thread:
                print_agreement(workers, sides, batches(texts["sst2"], 8))


def read_texts(data_dir: str, counts: tuple[int, int]) -> dict[str, list[str]]:
    """Reads the first sentences and paragraphs of the development sets."""
    path = os.path.join(data_dir, "glue", "SST-2", "dev.tsv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        # With or without the line of names, the sentence is in one of two columns.
        sentences = [max(row, key=len) for row in rows if row[0] != "sentence"]
    sentences = sentences[: counts[0]]
    with open(os.path.join(data_dir, "squad", "dev-v1.1.json"), "rb") as file:
        articles = json.load(file)["data"]
    paragraphs = [p["context"] for article in articles for p in article["paragraphs"]]
    # From all articles, whose first paragraphs are long.
    step = len(paragraphs) // counts[1]
    return {
        "sst2": sentences,
        "sst2_sorted": sorted(sentences, key=len),
        "squad": paragraphs[::step][: counts[1]],
    }


def batches(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    """Returns batches in order; the last one may be smaller."""
    return [texts[first : first + size] for first in range(0, len(texts), size)]


def prepare(options: InferenceOptions) -> None:
    """Writes the models of all sides, unless they are there."""
    folder, sides = options.work_dir, options.sides
    theirs = os.path.join(folder, "theirs")
    if not os.path.exists(theirs):
        os.makedirs(folder, exist_ok=True)
        if options.base:
            _write_base(options.source, theirs)
        else:
            shutil.copytree(options.source, theirs)
    if any(SIDES[side][0].endswith(".onnx") for side in sides):
        _write_onnx(theirs, folder)
    wanted = {SIDES[side][0].split("/")[1] for side in sides if "/" in SIDES[side][0]}
    missing = [p for p in wanted if not os.path.exists(f"{folder}/ours/{p}")]
    if missing:
        # In a process of its own: here no library has been imported yet.
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_export, args=(theirs, folder, missing))
        process.start()
        process.join()
        if process.exitcode:
            raise ValueError(f"The export ended with {process.exitcode}; see above.")


def _write_base(source: str, folder: str) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    config = transformers.BertConfig(vocab_size=len(tokenizer))
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _export(theirs: str, folder: str, precisions: Sequence[str]) -> None:
    from bert_tf.convert import ConvertOptions, convert
    from bert_tf.serving.saved_model import export

    model = os.path.join(folder, "model")
    if not os.path.exists(model):
        convert(ConvertOptions(source=theirs, output_dir=model))
    for precision in precisions:
        saved = os.path.join(folder, "ours")
        export(model, precision, saved_models_dir=saved, precision=precision)  # type: ignore[arg-type]


def _write_onnx(theirs: str, folder: str) -> None:
    paths = {
        name: os.path.join(folder, f"{name}.onnx")
        for name in ("float32", "int8_reduced", "int8_u8")
    }
    if all(map(os.path.exists, paths.values())):
        return
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # With padding: the exporter leaves out a mask that is True everywhere.
    ids = torch.tensor([[101, 5, 6, 102, 0], [101, 5, 6, 7, 102]])
    names = ["input_ids", "attention_mask"]
    rows = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    torch.onnx.export(
        inference_sides.sentence_encoder(theirs),
        (ids, (ids > 0).long()),
        paths["float32"],
        input_names=names,
        output_names=["sentence"],
        dynamic_shapes=dict.fromkeys(names, rows),
        external_data=False,
    )
    signed, unsigned = QuantType.QInt8, QuantType.QUInt8
    for name, per_channel, reduce_range, weight_type in (
        ("int8_reduced", True, True, signed),
        ("int8_u8", False, False, unsigned),
    ):
        quantize_dynamic(
            paths["float32"],
            paths[name],
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=weight_type,
        )


@contextlib.contextmanager
def running(
    folder: str, sides: Sequence[str], one_thread: bool
) -> Iterator[list[Connection]]:
    """Starts a process for each side, and yields the connections to them."""
    context = multiprocessing.get_context("spawn")
    connections, processes = [], []
    for side in sides:
        ours, theirs = context.Pipe()
        arguments = (theirs, side, folder, one_thread)
        process = context.Process(target=inference_sides.serve, args=arguments)
        process.start()
        # So that the end of the process ends the wait for its answer.
        theirs.close()
        connections.append(ours)
        processes.append(process)
    try:
        for side, connection in zip(sides, connections, strict=True):
            try:
                connection.recv()
            except EOFError:
                raise ValueError(f"{side} could not be loaded; see above.") from None
        yield connections
    finally:
        for connection, process in zip(connections, processes, strict=True):
            connection.close()
            process.join()


def measured(
    workers: Sequence[Connection], texts: Sequence[Sequence[str]], num_rounds: int
) -> list[float]:
    """Returns the texts a second of each side, the medians of the rounds."""
    total = sum(map(len, texts))
    rates: list[list[float]] = [[] for _ in workers]
    for worker in workers:
        ask(worker, texts[:2])
    for _ in range(num_rounds):
        for worker, found in zip(workers, rates, strict=True):
            began = time.perf_counter()
            ask(worker, texts)
            found.append(total / (time.perf_counter() - began))
    return [statistics.median(found) for found in rates]


def ask(worker: Connection, texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns the vectors of all texts, float32 (texts, hidden)."""
    found = []
    for some in texts:
        worker.send(some)
        found.append(worker.recv())
    return np.concatenate(found)


def print_agreement(
    workers: Sequence[Connection], sides: Sequence[str], texts: Sequence[Sequence[str]]
) -> None:
    """Prints the cosines with the vectors of PyTorch, or of the first side."""
    first = "pytorch" if "pytorch" in sides else sides[0]
    expected = ask(workers[list(sides).index(first)], texts)
    print(f"\nCosine with {first}\n\n| side | mean | least |\n|---|---|---|")
    for side, worker in zip(sides, workers, strict=True):
        cosines = (ask(worker, texts) * expected).sum(axis=1)
        print(f"| {side} | {cosines.mean():.6f} | {cosines.min():.6f} |", flush=True)


if __name__ == "__main__":
    cli.run(InferenceOptions, main, __doc__)
