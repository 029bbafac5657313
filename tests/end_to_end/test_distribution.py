"""Many replicas and workers: the numbers of one, and nothing lost with one of them."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from bert_tf.finetune import FinetuneOptions
from bert_tf.models.config import BertConfig
from bert_tf.training.run_log import read_metrics
from tests.end_to_end.pretraining_runs import (
    ROOT,
    assert_same_weights,
    command,
    options,
    run_until,
    weights,
)
from tests.end_to_end.tasks import write_model, write_task

pytestmark = pytest.mark.slow

MIRRORED = {"strategy": "mirrored", "num_replicas": 2}
WORKERS = {"strategy": "multi_worker"}


@pytest.fixture(scope="module")
def without_dropout(prepared, tmp_path_factory):
    config = dataclasses.replace(
        BertConfig.from_file(prepared.config_file),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_text(config.to_json())
    return dataclasses.replace(prepared, config_file=str(path))


def start_workers(program, output_dir, count=2):
    """One process a worker, as a user starts them on several machines."""
    ports = []
    for _ in range(count):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    workers = []
    for index in range(count):
        cluster = {
            "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
            "task": {"type": "worker", "index": index},
        }
        with open(f"{output_dir}.{index}.log", "w") as log:
            workers.append(
                subprocess.Popen(
                    program,
                    cwd=ROOT,
                    env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
                    stdout=log,
                    stderr=log,
                )
            )
    return workers


def run_workers(program, output_dir):
    for worker in start_workers(program, output_dir):
        assert worker.wait(180) == 0, log_of(output_dir, 0)


def log_of(output_dir, index):
    with open(f"{output_dir}.{index}.log") as file:
        return file.read()


def wait_for(output_dir, step):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        records = read_metrics(str(output_dir / "metrics.jsonl"))
        if any(record["step"] >= step for record in records):
            return
        time.sleep(0.05)
    raise AssertionError(f"No step {step} in {output_dir}.")


def numbers(output_dir):
    """Losses and the like, by split, step and name."""
    names = ("loss", "mlm_loss", "accuracy", "mlm_accuracy", "gradient_norm")
    return {
        (record["split"], record["step"], name): record[name]
        for record in read_metrics(str(output_dir / "metrics.jsonl"))
        for name in names
        if name in record
    }


def assert_same_numbers(one, other):
    expected, found = numbers(one), numbers(other)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-5), key


@pytest.mark.long
def test_the_numbers_of_one_replica(without_dropout, tmp_path):
    names = ("one", "two", "compiled", "workers")
    one, two, compiled, workers = (tmp_path / name for name in names)
    # Slices, and rows of two lengths.
    changes = {"long_sequence_length": 48, "accumulation_steps": 2}
    together = {**MIRRORED, "jit_compile": "on"}
    for folder, strategy in ((one, {}), (two, MIRRORED), (compiled, together)):
        program = command(options(without_dropout, folder, **changes, **strategy))
        subprocess.run(program, cwd=ROOT, check=True, capture_output=True)
    program = command(options(without_dropout, workers, **changes, **WORKERS))
    run_workers(program, workers)
    assert max(step for _, step, _ in numbers(one)) == 20
    for other in (two, compiled, workers):
        assert_same_numbers(one, other)
        assert_same_weights(one, other, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["classification", "multiple_choice"])
@pytest.mark.long
def test_the_numbers_of_one_replica_in_fine_tuning(tmp_path, kind):
    task = write_task(kind, tmp_path / "files")
    values = {
        "model_dir": write_model(tmp_path / "pretrained"),
        "kind": kind,
        "train_file": task.train_file,
        "dev_file": task.dev_file,
        "learning_rate": 1e-3,
        "dropout": 0.0,
        "num_epochs": 2.0,
        "batch_size": 16,
        **task.options,
    }
    folders = []
    for strategy in ({}, MIRRORED, WORKERS):
        folder = tmp_path / f"model{len(folders)}"
        program = command(
            FinetuneOptions(output_dir=str(folder), **values, **strategy), "finetune"
        )
        if strategy == WORKERS:
            run_workers(program, folder)
        else:
            subprocess.run(program, cwd=ROOT, check=True, capture_output=True)
        (run,) = (folder / "runs").iterdir()
        folders.append(run)
        assert (folder / "report.html").exists()
    assert max(step for _, step, _ in numbers(folders[0])) == 32
    for other in folders[1:]:
        assert_same_numbers(folders[0], other)


@pytest.mark.long
def test_goes_on_with_another_number_of_replicas(without_dropout, tmp_path):
    """The machine has died, and the one that is left has half the devices."""
    one, other = tmp_path / "one", tmp_path / "other"
    program = command(options(without_dropout, one))
    subprocess.run(program, cwd=ROOT, check=True, capture_output=True)
    program = command(options(without_dropout, other, **MIRRORED))
    run_until(program, other, step=12, number=signal.SIGTERM)
    program = command(options(without_dropout, other))
    finished = subprocess.run(program, cwd=ROOT, check=True, capture_output=True)
    assert b"was not saved for this number of replicas" in finished.stderr
    assert_same_numbers(one, other)


@pytest.mark.long
def test_sigterm_to_one_worker_stops_all(prepared, tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    changes = {**WORKERS, "num_train_steps": 400, "eval_every": 200}
    run_workers(command(options(prepared, undisturbed, **changes)), undisturbed)
    program = command(options(prepared, disturbed, **changes))
    workers = start_workers(program, disturbed)
    wait_for(disturbed, 30)
    workers[1].send_signal(signal.SIGTERM)
    assert [worker.wait(60) for worker in workers] == [143, 143]
    lines = [log_of(disturbed, i).strip().splitlines()[-1] for i in (0, 1)]
    assert lines[0] == lines[1]
    assert "Stopped by SIGTERM after step" in lines[0]
    stopped = int(lines[0].split("after step ")[1].split(".")[0])
    assert 30 <= stopped < 400
    run_workers(program, disturbed)
    assert_same_weights(undisturbed, disturbed)


@pytest.mark.long
@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_that_dies_ends_the_others(prepared, tmp_path, killed):
    folder = tmp_path / "model"
    changes = {**WORKERS, "num_train_steps": 400}
    program = command(options(prepared, folder, **changes))
    workers = start_workers(program, folder)
    wait_for(folder, 30)
    workers[killed].kill()
    other = 1 - killed
    assert workers[other].wait(60) == 1
    last = log_of(folder, other).strip().splitlines()[-1]
    assert last.startswith("error: Another worker no longer answers")
    run_workers(program, folder)
    assert "Resuming from the checkpoint" in log_of(folder, 0)
    assert weights(folder)


def test_a_folder_of_another_run_stops_all_workers(prepared, tmp_path):
    """The first one sees it; the others must not wait for it for ever."""
    folder = tmp_path / "model"
    program = command(options(prepared, folder))
    subprocess.run(program, cwd=ROOT, check=True, capture_output=True)
    program = command(options(prepared, folder, seed=5, **WORKERS))
    workers = start_workers(program, folder)
    assert [worker.wait(90) for worker in workers] == [1, 1]
    lines = [log_of(folder, i).strip().splitlines()[-1] for i in (0, 1)]
    assert "holds a run with other options: seed was 0, received 5" in lines[0]
    assert lines[1].startswith("error: Another worker no longer answers")


@pytest.mark.long
def test_workers_that_diverge_go_back_together(prepared, tmp_path):
    folder = tmp_path / "model"
    changes = {"learning_rate": 1e30, "num_train_steps": 100, "checkpoint_every": 1}
    program = command(options(prepared, folder, **changes, **WORKERS))
    workers = start_workers(program, folder)
    assert [worker.wait(120) for worker in workers] == [1, 1]
    for index in (0, 1):
        log = log_of(folder, index)
        # The chief alone shows messages.
        shown = 0 if index else 3
        assert log.count("were not finite: resuming from step") == shown
        last = log.strip().splitlines()[-1]
        assert last.startswith("error: The loss or a gradient was not finite")
        assert "after 3 returns to a checkpoint" in last


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "without TF_CONFIG and outside of Slurm's srun"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG={ Expected JSON"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG=[] Expected JSON"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "Expected JSON"),
        (
            {
                "TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, '
                '"task": {"type": "worker", "index": 3}}'
            },
            "Expected JSON",
        ),
    ],
)
def test_a_wrong_environment_is_one_line(prepared, tmp_path, variables, message):
    program = command(options(prepared, tmp_path / "model", **WORKERS))
    environment = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    finished = subprocess.run(
        program, cwd=ROOT, env=environment | variables, capture_output=True, text=True
    )
    assert finished.returncode == 1
    last = finished.stderr.strip().splitlines()[-1]
    assert last.startswith("error: Received ")
    assert message in last
    assert not (tmp_path / "model").exists()
