"""What is kept of a run of fine-tuning that is stopped near its end."""

import types

import pytest
import tensorflow as tf

from bert_tf import finetune
from bert_tf.finetuning.results import RunResult, RunSettings

SETTINGS = RunSettings(learning_rate=1e-3, batch_size=2, num_epochs=1, seed=0)
RESULT = RunResult(SETTINGS, {"accuracy": 0.5}, 3, 1.0, False)


def result_of(folder):
    options = types.SimpleNamespace(output_dir=str(folder), jit_compile="off")
    strategy = tf.distribute.get_strategy()
    return finetune._result(options, None, SETTINGS, strategy)


def test_checkpoints_go_when_the_result_is_there(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / SETTINGS.name
    checkpoint = folder / "checkpoints" / "step-3.index"

    def train_run(*_):
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_bytes(b"")
        return RESULT

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(finetune, "train_run", train_run)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(finetune, "write_json", fail)
        result_of(tmp_path)
    assert checkpoint.exists()
    assert result_of(tmp_path) == RESULT
    assert [path.name for path in folder.iterdir()] == ["result.json"]
    # Killed between the two.
    train_run()
    assert result_of(tmp_path) == RESULT
    assert [path.name for path in folder.iterdir()] == ["result.json"]
