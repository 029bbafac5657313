"""Corpus preparation on Apache Spark: the bytes that one machine writes."""

import concurrent.futures
import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from data_pipelines.learn_vocabulary import learn_vocabulary
from tests.end_to_end.corpus import write_corpus

pytest.importorskip("pyspark", reason="needs PySpark, of requirements-spark.txt")
if not shutil.which("java"):
    pytest.skip("needs Java 17", allow_module_level=True)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
# Two machines, as processes, of one core each.
CLUSTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("text"), num_documents=200)


@pytest.fixture(scope="module")
def vocab_file(text, tmp_path_factory):
    vocabulary = learn_vocabulary(input_files=[text], vocab_size=100, num_processes=1)
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_bytes(vocabulary.to_bytes())
    return path


def run(verb, *arguments):
    command = [sys.executable, "-m", f"data_pipelines.{verb}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def create(text, vocab_file, folder, *arguments):
    return run(
        "create_pretraining_data",
        f"--input_files={text}",
        f"--vocab_file={vocab_file}",
        f"--output_dir={folder}",
        *("--num_shards=4", "--holdout_fraction=0.1"),
        *arguments,
    )


def finish(process):
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-3000:]


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def test_the_same_vocabulary(text, vocab_file, tmp_path):
    found = tmp_path / "vocab.txt"
    finish(
        run(
            "learn_vocabulary",
            f"--input_files={text}",
            "--vocab_size=100",
            f"--vocab_file={found}",
            "--runner=spark",
            "--spark_master=local[2]",
        )
    )
    assert found.read_bytes() == vocab_file.read_bytes()


def kill_an_executor(parent):
    """Kills one of the cluster's executors once its Python workers have begun."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in psutil.Process(parent).children(recursive=True):
            # One that has ended cannot be asked, and says nothing about the others.
            with contextlib.suppress(psutil.Error):
                if "pyspark.daemon" in process.cmdline():
                    for executor in process.parents():
                        if any(
                            "ExecutorBackend" in word for word in executor.cmdline()
                        ):
                            executor.kill()
                            return
        time.sleep(0.05)
    raise AssertionError("No executor began to work.")


@pytest.mark.parametrize("one_dies", [False, True])
def test_the_same_records(text, vocab_file, tmp_path, one_dies):
    finish(create(text, vocab_file, tmp_path / "local"))
    process = create(
        text,
        vocab_file,
        tmp_path / "spark",
        "--runner=spark",
        f"--spark_master={CLUSTER}",
    )
    # Another thread reads what the process prints: a full pipe would stop it.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        finished = pool.submit(finish, process)
        if one_dies:
            kill_an_executor(process.pid)
        finished.result()
    assert files(tmp_path / "spark") == files(tmp_path / "local")


def test_a_cluster_without_its_runner(text, vocab_file, tmp_path):
    process = create(text, vocab_file, tmp_path / "out", "--spark_master=local[2]")
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Expected --runner=spark" in error
