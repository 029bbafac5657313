"""Two programs on one output: the second ends at once, and changes nothing."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from bert_tf import (
    compare,
    demo,
    extract_features,
    finetune,
    learn_vectors,
    pretrain,
)
from bert_tf.ngram import train as ngram
from bert_tf.training.run_log import read_metrics
from data_pipelines import create_pretraining_data, learn_vocabulary
from data_pipelines.files.atomic import new_file
from data_pipelines.files.locks import locked_folder
from tests.end_to_end.corpus import write_corpus
from tests.end_to_end.pretraining_runs import (
    ROOT,
    VOCAB_SIZE,
    command,
    finish,
    options,
    wait_for_step,
)
from tests.end_to_end.tasks import write_model

FOLDERS = {
    "pretrain": lambda prepared, out: pretrain.pretrain(options(prepared, out)),
    "finetune": lambda prepared, out: finetune.main(
        finetune.FinetuneOptions(
            model_dir="pretrained", output_dir=str(out), dataset="glue/sst2"
        )
    ),
    "compare": lambda prepared, out: compare.compare(
        compare.CompareOptions(corpus=("none.txt",), output_dir=str(out))
    ),
    "create_pretraining_data": lambda prepared, out: create_pretraining_data.main(
        create_pretraining_data.CreatePretrainingDataOptions(
            input_files=(prepared.text,),
            vocab_file=prepared.vocab_file,
            output_dir=str(out),
        )
    ),
    "demo": lambda prepared, out: demo.demo(str(out), "1m"),
}
FILES = {
    "learn_vocabulary": lambda prepared, out: learn_vocabulary.main(
        learn_vocabulary.LearnVocabularyOptions(
            input_files=(prepared.text,),
            vocab_size=VOCAB_SIZE,
            vocab_file=str(out),
            num_processes=1,
        )
    ),
    "learn_vectors": lambda prepared, out: learn_vectors.main(
        learn_vectors.LearnVectorsOptions(
            input_files=(prepared.text,), vectors_file=str(out)
        )
    ),
    "ngram": lambda prepared, out: ngram.main(
        ngram.TrainOptions(
            records_dir=prepared.records_dir,
            vocab_file=prepared.vocab_file,
            model_file=str(out),
        )
    ),
    "extract_features": lambda prepared, out: extract_features.extract_features(
        extract_features.ExtractOptions(
            model_dir="pretrained", input_file="none.txt", output_file=str(out)
        )
    ),
}


@pytest.mark.parametrize("verb", FOLDERS)
def test_a_folder_in_use(prepared, tmp_path, verb):
    out = tmp_path / "out"
    with locked_folder(str(out)):
        expected = rf"^{re.escape(str(out))} is being written by another process"
        with pytest.raises(BlockingIOError, match=expected):
            FOLDERS[verb](prepared, out)
        assert not list(out.iterdir())
    assert not out.exists()


@pytest.mark.parametrize("verb", FILES)
def test_a_file_in_use(prepared, tmp_path, verb):
    out = tmp_path / "out.npy"
    with pytest.raises(KeyError), new_file(str(out)):
        before = list(tmp_path.iterdir())
        expected = rf"^{re.escape(str(out))} is being written by another process"
        with pytest.raises(BlockingIOError, match=expected):
            FILES[verb](prepared, out)
        assert list(tmp_path.iterdir()) == before
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_what_fails_leaves_no_folder(prepared, tmp_path):
    with pytest.raises(FileNotFoundError):
        pretrain.pretrain(
            options(prepared, tmp_path / "a" / "model", vocab_file="none.txt")
        )
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def running(program, log):
    with log.open("w") as file:
        process = subprocess.Popen(program, cwd=ROOT, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
@pytest.mark.slow
def test_two_pretrainings(prepared, tmp_path):
    folder, log = tmp_path / "model", tmp_path / "log"
    program = command(options(prepared, folder, num_train_steps=100_000))
    with running(program, log) as first:
        wait_for_step(3, folder, {log: first})
        done = finish(program, 1)
        last = done.stderr.strip().splitlines()[-1]
        expected = f"error: {folder} is being written by another process (pid "
        assert last.startswith(f"{expected}{first.pid} since "), last
        # It did no harm: the first goes on.
        reached = read_metrics(str(folder / "metrics.jsonl"))[-1]["step"]
        wait_for_step(reached + 3, folder, {log: first})
        first.kill()
        first.wait()
        with locked_folder(str(folder)):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["create_pretraining_data", "learn_vocabulary"])
def test_a_killed_program_whose_processes_live_on(prepared, tmp_path, verb):
    """Those of its pool do not have the lock: it is free at once."""
    text, out = tmp_path / "text", tmp_path / "out"
    text.mkdir()
    for number in range(2):
        # More than one process takes at once.
        (text / f"{number}.txt").write_text("The cat sat on the mat. " * 200_000)
    lock, options_of_verb = {
        "create_pretraining_data": (
            locked_folder,
            {"vocab_file": prepared.vocab_file, "output_dir": out},
        ),
        "learn_vocabulary": (new_file, {"vocab_file": out, "vocab_size": 30}),
    }[verb]
    flags = {"input_files": text / "*.txt", "num_processes": 2, **options_of_verb}
    program = [
        *program_of(f"data_pipelines.{verb}"),
        *(f"--{name}={value}" for name, value in flags.items()),
    ]
    log = tmp_path / "log"
    # Two, and what tracks their resources.
    with running(program, log) as process, stopped_children(process, log, 3):
        done = finish(program, 1)
        expected = f"{out} is being written by another process (pid {process.pid}"
        assert expected in done.stderr
        process.kill()
        process.wait()
        with lock(str(out)):
            pass


def is_stopped(child):
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGSTOP)
        return True
    return False


@contextlib.contextmanager
def stopped_children(process, log, count, begun=pathlib.Path("/")):
    """Stops children of a program once there are so many; kills them in the end.

    Others may come and go before there is the file `begun`.
    """
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline, children = time.monotonic() + 300, []
    while len(children) < count:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
        children = [int(pid) for pid in path.read_text().split()]
        if not begun.exists():
            children = []
        elif len(children) >= count:
            # Those that have just ended were not it.
            children = [child for child in children if is_stopped(child)]
    try:
        yield
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def program_of(module):
    return [sys.executable, "-m", module]


@pytest.mark.slow
def test_a_killed_comparison_whose_program_lives_on(tmp_path):
    write_corpus(tmp_path / "text", 60)
    out = tmp_path / "out"
    program = [
        *program_of("bert_tf.compare"),
        f"--corpus={tmp_path}/text/*.txt",
        f"--output_dir={out}",
        "--systems=ngram",
        "--vocab_size=100",
        "--holdout_fraction=0.2",
        "--budget=1s",
    ]
    log = tmp_path / "log"
    begun = out / "text" / "wordpiece" / "log.txt"
    with running(program, log) as process, stopped_children(process, log, 1, begun):
        with pytest.raises(BlockingIOError), locked_folder(str(out)):
            pass
        process.kill()
        process.wait()
        with locked_folder(str(out)):
            pass


@pytest.mark.long
@pytest.mark.slow
def test_extraction_stopped_by_sigterm_leaves_nothing(tmp_path):
    model = write_model(tmp_path / "model")
    folder = tmp_path / "vectors"
    folder.mkdir()
    out = folder / "x.npy"
    program = [
        *program_of("bert_tf.extract_features"),
        f"--model_dir={model}",
        f"--output_file={out}",
    ]
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            program, cwd=ROOT, stdin=subprocess.PIPE, stdout=file, stderr=file
        )
    with process:
        try:
            deadline = time.monotonic() + 300
            while not list(folder.glob("x.npy.*.unfinished")):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.01)
            done = finish(program, 1, stdin=subprocess.DEVNULL)
            assert f"{out} is being written by another process" in done.stderr
            assert list(folder.glob("x.npy.*.unfinished"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143
        finally:
            process.kill()
    assert not list(folder.iterdir())
