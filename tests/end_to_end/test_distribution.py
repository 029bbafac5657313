"""Many replicas and workers: the numbers of one, and nothing lost with one of them."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from bert_tf import pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.models.config import BertConfig
from bert_tf.training.run_log import read_metrics
from tests.end_to_end.pretraining_runs import (
    ROOT,
    Prepared,
    assert_same_weights,
    command,
    finish,
    options,
    run_until,
    wait_for_step,
    weights,
)
from tests.end_to_end.tasks import write_model, write_task

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


@contextlib.contextmanager
def started(program, output_dir):
    """One process a worker, as a user starts them on several machines, by its log."""
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in free:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in free]
    workers = {}
    try:
        for index in range(2):
            task = {"type": "worker", "index": index}
            cluster = {"cluster": {"worker": addresses}, "task": task}
            path = pathlib.Path(f"{output_dir}.{index}.log")
            with path.open("w") as log:
                workers[path] = subprocess.Popen(
                    program,
                    cwd=ROOT,
                    env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
                    stdout=log,
                    stderr=log,
                )
        yield workers
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()


def assert_they_end(workers, code, seconds=180):
    found = []
    with contextlib.suppress(subprocess.TimeoutExpired):
        found += [worker.wait(seconds) for worker in workers.values()]
    logs = "\n".join(f"{path.name}:\n{path.read_text()}" for path in workers)
    assert found == [code] * len(workers), logs


def run_workers(program, output_dir):
    with started(program, output_dir) as workers:
        assert_they_end(workers, 0)


def log_of(output_dir, index):
    return pathlib.Path(f"{output_dir}.{index}.log").read_text()


def last_line(output_dir, index):
    return log_of(output_dir, index).strip().splitlines()[-1]


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


@pytest.mark.slow
@pytest.mark.long
def test_the_numbers_of_one_replica(without_dropout, tmp_path):
    names = ("one", "two", "compiled", "workers")
    one, two, compiled, workers = (tmp_path / name for name in names)
    # Slices, and rows of two lengths.
    changes = {"long_sequence_length": 48, "accumulation_steps": 2}
    pretrain.pretrain(options(without_dropout, one, **changes))
    together = {**MIRRORED, "jit_compile": "on"}
    for folder, strategy in ((two, MIRRORED), (compiled, together)):
        finish(command(options(without_dropout, folder, **changes, **strategy)))
    program = command(options(without_dropout, workers, **changes, **WORKERS))
    run_workers(program, workers)
    assert max(step for _, step, _ in numbers(one)) == 20
    for other in (two, compiled, workers):
        assert_same_numbers(one, other)
        assert_same_weights(one, other, atol=1e-4)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", ["classification", "multiple_choice"])
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
        chosen = FinetuneOptions(output_dir=str(folder), **values, **strategy)
        if strategy == WORKERS:
            run_workers(command(chosen, "finetune"), folder)
        elif strategy == MIRRORED:
            finish(command(chosen, "finetune"))
        else:
            finetune(chosen)
        (run,) = (folder / "runs").iterdir()
        folders.append(run)
        assert (folder / "report.html").exists()
    assert max(step for _, step, _ in numbers(folders[0])) == 32
    for other in folders[1:]:
        assert_same_numbers(folders[0], other)


@pytest.mark.slow
@pytest.mark.long
def test_goes_on_with_another_number_of_replicas(without_dropout, tmp_path):
    """The machine has died, and the one that is left has half the devices."""
    one, other = tmp_path / "one", tmp_path / "other"
    pretrain.pretrain(options(without_dropout, one))
    program = command(options(without_dropout, other, **MIRRORED))
    run_until(program, other, step=12, number=signal.SIGTERM)
    finished = finish(command(options(without_dropout, other)))
    assert "was not saved for this number of replicas" in finished.stderr
    assert_same_numbers(one, other)


@pytest.mark.slow
@pytest.mark.long
def test_sigterm_to_one_worker_stops_all(prepared, tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    changes = {**WORKERS, "num_train_steps": 400, "eval_every": 200}
    run_workers(command(options(prepared, undisturbed, **changes)), undisturbed)
    program = command(options(prepared, disturbed, **changes))
    with started(program, disturbed) as workers:
        wait_for_step(30, disturbed, workers)
        [*workers.values()][1].send_signal(signal.SIGTERM)
        assert_they_end(workers, 143, 60)
    lines = [last_line(disturbed, index) for index in (0, 1)]
    assert lines[0] == lines[1]
    assert "Stopped by SIGTERM after step" in lines[0]
    stopped = int(lines[0].split("after step ")[1].split(".")[0])
    assert 30 <= stopped < 400
    run_workers(program, disturbed)
    assert_same_weights(undisturbed, disturbed)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_that_dies_ends_the_others(prepared, tmp_path, killed):
    folder = tmp_path / "model"
    changes = {**WORKERS, "num_train_steps": 400}
    program = command(options(prepared, folder, **changes))
    with started(program, folder) as workers:
        wait_for_step(30, folder, workers)
        dead = workers.pop(pathlib.Path(f"{folder}.{killed}.log"))
        dead.kill()
        dead.wait()
        assert_they_end(workers, 1, 60)
    last = last_line(folder, 1 - killed)
    assert last.startswith("error: Another worker no longer answers"), last
    run_workers(program, folder)
    assert "Resuming from the checkpoint" in log_of(folder, 0)
    assert weights(folder)


@pytest.mark.slow
def test_a_folder_of_another_run_stops_all_workers(prepared, tmp_path):
    """The first one sees it; the others must not wait for it for ever."""
    folder = tmp_path / "model"
    (folder / "checkpoints").mkdir(parents=True)
    values = dataclasses.asdict(options(prepared, folder).resolved())
    (folder / model_dir.OPTIONS).write_text(json.dumps(values))
    program = command(options(prepared, folder, seed=5, **WORKERS))
    with started(program, folder) as workers:
        assert_they_end(workers, 1, 90)
    first, second = (last_line(folder, index) for index in (0, 1))
    assert "holds a run with other options: seed was 0, received 5" in first
    assert second.startswith("error: Another worker no longer answers"), second


@pytest.mark.slow
@pytest.mark.long
def test_workers_that_diverge_go_back_together(prepared, tmp_path):
    folder = tmp_path / "model"
    changes = {"learning_rate": 1e30, "num_train_steps": 100, "checkpoint_every": 1}
    program = command(options(prepared, folder, **changes, **WORKERS))
    with started(program, folder) as workers:
        assert_they_end(workers, 1, 120)
    for index in (0, 1):
        log = log_of(folder, index)
        # The chief alone shows messages.
        shown = 0 if index else 3
        assert log.count("were not finite: resuming from step") == shown, log
        last = last_line(folder, index)
        assert last.startswith("error: The loss or a gradient was not finite"), last
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
def test_a_wrong_environment_is_told(tmp_path, monkeypatch, variables, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"^Received ") as raised:
        # Before any file is looked at.
        nothing = Prepared("none", "none", "none", "none")
        pretrain.pretrain(options(nothing, tmp_path / "model", **WORKERS))
    assert message in str(raised.value)
    assert not (tmp_path / "model").exists()
