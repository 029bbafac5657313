"""Measures speed and memory from text to records, and from records to masked batches.

    python -m benchmarks.pipeline --input_files='books/*.txt.gz' --vocab_file=vocab.txt

Each line is measured in a new process. The peer is a pipeline with Hugging Face
`tokenizers` (`encode_batch` on the same sentences), with a NumPy function that masks a
whole batch like their collator (tokens, 80/10/10), which itself needs PyTorch. The peer
does not build sentence pairs.
"""

import dataclasses
import glob
import gzip
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Any

from benchmarks.machine import processor
from data_pipelines.programs import cli

SEQUENCE_LENGTH = 128
BATCH_SIZE = 256
SECONDS = 15


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions:
    """Options of the program."""

    input_files: tuple[str, ...] = cli.option(cli.REQUIRED, "Text files.")
    vocab_file: str = cli.option(cli.REQUIRED, "An uncased vocabulary.")
    work_dir: str | None = cli.option(
        None, "Folder for temporary files. Default: that of the system."
    )
    large: bool = cli.option(True, "Also measure ten copies of the files.")
    measure: str | None = cli.option(None, "Internal.")


def main(options: BenchmarkOptions) -> None:
    if options.measure is not None:
        name, *arguments = json.loads(options.measure)
        print(json.dumps({**MEASURES[name](*arguments), **peak_memory()}))
        return
    sources = sorted(path for name in options.input_files for path in glob.glob(name))
    if not sources:
        raise ValueError(
            f"No file matches {options.input_files}. Expected text: check the names."
        )
    with tempfile.TemporaryDirectory(dir=options.work_dir) as work:
        sizes = [len(read(source)) for source in sources]
        some = [s for i, s in enumerate(sources) if sum(sizes[:i]) < 10e6]
        links = []
        for copy in range(10):
            for source in sources:
                links.append(os.path.join(work, f"{copy}-{os.path.basename(source)}"))
                os.symlink(os.path.abspath(source), links[-1])
        corpora = {"10 MB": some, "all": sources}
        if options.large:
            corpora["10 x all"] = links
        vocab = options.vocab_file

        def measure(title: str, *arguments: Any) -> None:
            command = [sys.executable, "-m", "benchmarks.pipeline"]
            command += ["--input_files=-", f"--vocab_file={vocab}"]
            command += [f"--measure={json.dumps(arguments)}"]
            result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found = json.loads(result.stdout.splitlines()[-1])
            values = ", ".join(f"{value:,.4g} {unit}" for unit, value in found.items())
            print(f"{title:44s} {values}", flush=True)

        print(
            f"machine     {processor()}, {os.cpu_count()} cores\n"
            f"versions    Python {platform.python_version()}, "
            f"TensorFlow {version('tensorflow')}, tokenizers {version('tokenizers')}\n"
            f"text        {len(sources)} files, {sum(sizes):,} bytes",
            flush=True,
        )
        measure("imports only", "imports")
        for processes in (1, 2):
            out = os.path.join(work, f"10MB-{processes}")
            title = f"text to records, 10 MB, {processes} processes"
            measure(title, "records", some, vocab, out, processes)
        for name, files in list(corpora.items())[1:]:
            out = os.path.join(work, name.replace(" ", "-"))
            measure(
                f"text to records, {name}, 2 processes", "records", files, vocab, out, 2
            )
        for name in list(corpora)[1:]:
            out = os.path.join(work, name.replace(" ", "-"))
            measure(f"records to batches, {name}", "batches", out, vocab, {})
        out = os.path.join(work, "all")
        for options_of in (
            {"masking": "whole_word"},
            {"masking": "span"},
            {"sentences": "full_sentences"},
            {"sequence_length": 512, "batch_size": 64},
        ):
            title = ", ".join(f"{value}" for value in options_of.values())
            measure(f"records to batches, {title}", "batches", out, vocab, options_of)
        measure("peer: text to batches, 10 MB", "peer", some, vocab)


def read(source: str) -> bytes:
    opener = gzip.open if source.endswith(".gz") else open
    with opener(source, "rb") as file:
        return file.read()


def peak_memory() -> dict[str, float]:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"MB peak": own / 1e3, "MB peak of a worker": worker / 1e3}


def imports() -> dict[str, float]:
    import tensorflow as tf
    import tensorflow_text

    del tensorflow_text
    tf.constant(1)
    return {}


def records(
    sources: list[str], vocab_file: str, out: str, processes: int
) -> dict[str, float]:
    from data_pipelines.pretraining.work_units import RecordOptions
    from data_pipelines.pretraining.write_records import write_records
    from data_pipelines.tokenizers.vocabulary import Vocabulary

    start = time.perf_counter()
    manifest = write_records(
        sources,
        Vocabulary.from_file(vocab_file),
        out,
        RecordOptions(),
        num_processes=processes,
    )
    seconds = time.perf_counter() - start
    counts = manifest["counts"]
    return {
        "MB/s": counts["bytes"] / seconds / 1e6,
        "tokens/s": counts["tokens"] / seconds,
        "s": seconds,
    }


def batches(out: str, vocab_file: str, options: dict[str, Any]) -> dict[str, float]:
    from data_pipelines.pretraining.batches import training_batches
    from data_pipelines.pretraining.documents import documents_from_records
    from data_pipelines.pretraining.record_folder import record_files
    from data_pipelines.pretraining.row_options import RowOptions
    from data_pipelines.tokenizers.vocabulary import Vocabulary

    options = {"sequence_length": SEQUENCE_LENGTH, **options}
    batch_size = options.pop("batch_size", BATCH_SIZE)
    dataset = training_batches(
        documents_from_records(record_files(out)),
        Vocabulary.from_file(vocab_file),
        RowOptions(**options),
        batch_size=batch_size,
        seed=1,
    )
    return throughput(dataset)


def throughput(dataset: Any) -> dict[str, float]:
    import numpy as np

    start = time.perf_counter()
    iterator = iter(dataset)
    next(iterator)
    first = time.perf_counter()
    tokens = 0
    while time.perf_counter() - first < SECONDS:
        tokens += int(np.count_nonzero(next(iterator)["padding_mask"].numpy()))
    seconds = time.perf_counter() - first
    return {"tokens/s": tokens / seconds, "s to the first batch": first - start}


def peer(sources: list[str], vocab_file: str) -> dict[str, float]:
    import numpy as np
    import tensorflow as tf
    from tokenizers import BertWordPieceTokenizer

    from data_pipelines.corpus.documents import read_documents
    from data_pipelines.corpus.sentences import split_sentences

    tokenizer = BertWordPieceTokenizer(vocab_file, lowercase=True)
    tokenizer.enable_truncation(SEQUENCE_LENGTH)
    tokenizer.enable_padding(length=SEQUENCE_LENGTH)
    size, mask_id = tokenizer.get_vocab_size(), tokenizer.token_to_id("[MASK]")
    # The peer gets split sentences: four of them are about a row.
    texts = []
    for source in sources:
        for document in read_documents(source):
            sentences = split_sentences(tf.constant([document])).values.numpy()
            texts += [
                b" ".join(sentences[i : i + 4]).decode("utf-8", "ignore")
                for i in range(0, len(sentences), 4)
            ]
    generator = np.random.default_rng(1)

    def mask(token_ids: Any, special: Any) -> tuple[Any, Any]:
        chosen = (generator.random(token_ids.shape) < 0.15) & ~special
        labels = np.where(chosen, token_ids, -100)
        what = generator.random(token_ids.shape)
        replaced = np.where(what < 0.8, mask_id, token_ids)
        noise = generator.integers(0, size, token_ids.shape)
        replaced = np.where(what >= 0.9, noise, replaced)
        return np.where(chosen, replaced, token_ids), labels

    start = time.perf_counter()
    tokens = encoded_bytes = 0
    for i in range(0, len(texts), BATCH_SIZE):
        some = texts[i : i + BATCH_SIZE]
        encoded = tokenizer.encode_batch(some)
        token_ids = np.array([row.ids for row in encoded], np.int32)
        special = np.array([row.special_tokens_mask for row in encoded], bool)
        mask(token_ids, special)
        tokens += sum(sum(row.attention_mask) for row in encoded)
        encoded_bytes += sum(map(len, some))
        if time.perf_counter() - start > SECONDS:
            break
    seconds = time.perf_counter() - start
    return {"tokens/s": tokens / seconds, "MB/s": encoded_bytes / seconds / 1e6}


MEASURES = {
    "imports": imports,
    "records": records,
    "batches": batches,
    "peer": peer,
}

if __name__ == "__main__":
    cli.run(BenchmarkOptions, main, __doc__ or "")
