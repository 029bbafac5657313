import dataclasses
import math
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.models.masked_lm import PretrainingObjective
from bert_tf.optim.optimizers import AdamW
from bert_tf.optim.schedule import WarmupLinearDecay
from bert_tf.training.loop import NonFiniteLoss, Phase, Preempted, train
from bert_tf.training.trainer import Trainer
from tests.bert_tf.small_models import random_batch, small_pretrainer
from tests.reference import optimizers

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def small_trainer(
    *, dtype=None, learning_rate=1e-3, decay=0.01, model=None, **arguments
):
    """Not compiled, unless a test is about that: it takes longer than running."""
    changes = model or {}
    return Trainer(
        small_pretrainer(dtype=dtype, **changes),
        AdamW(learning_rate, bias_correction=True, weight_decay=decay),
        PretrainingObjective(),
        **{"jit_compile": "off", **arguments},
    )


def weights(trainer):
    return [np.asarray(variable) for variable in trainer.model.trainable_variables]


def assert_same_weights(one, other, atol=0.0):
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def phase(end_step, count=4, seed=0, batch_size=4):
    batches = [random_batch(batch_size, seed=seed + i) for i in range(count)]
    stacked = {k: tf.stack([batch[k] for batch in batches]) for k in batches[0]}
    dataset = tf.data.Dataset.from_tensor_slices(stacked).repeat()
    return Phase(end_step, lambda *replica: dataset, work={"tokens": 48, "flops": 1e6})


class RecordedLog:
    """The part of a `RunLog` that the loop needs, kept in lists."""

    def __init__(self, on_progress=lambda progress: None):
        self.reports, self.messages, self.resumed = [], [], []
        self.on_progress = on_progress

    def progress(self, progress):
        self.reports.append(progress)
        self.on_progress(progress)

    def resume(self, step):
        self.resumed.append(step)

    def say(self, message):
        self.messages.append(message)


def run(trainer, phases, folder, *, log=None, **arguments):
    log = log or RecordedLog()
    arguments = {"checkpoint_every": 100, "log_every": 100, **arguments}
    train(trainer, phases, str(folder), log, **arguments)
    return log.reports


# --- One step.


@pytest.mark.slow
def test_first_step_equals_the_optimizer_of_the_paper():
    trainer = small_trainer(model=NO_DROPOUT, decay=0.1, learning_rate=0.01)
    batch = random_batch()
    before = weights(trainer)
    model, objective = trainer.model, trainer.objective
    with tf.GradientTape() as tape:
        sums = objective.sums(model(batch), batch)
        divisors = objective.weights(batch)
        loss = sums["mlm_loss"] / divisors["mlm_loss"]
        loss += sums["sentence_loss"] / divisors["sentence_loss"]
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
    norm = math.sqrt(sum(float(np.sum(g.astype("float64") ** 2)) for g in gradients))
    assert norm > 1  # So that clipping matters.

    metrics = trainer.train_step(batch)
    assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx(norm, rel=1e-4)
    plain = ("bias", "scale", "offset")
    for variable, start, gradient in zip(
        model.trainable_variables, before, gradients, strict=True
    ):
        decay = 0.0 if variable.path.endswith(plain) else 0.1
        expected = optimizers.adamw(start, [gradient / norm], 0.01, decay, True)
        # Where the gradient is nearly 0, its rounding error is a share of it.
        certain = np.abs(gradient) > 1e-4
        np.testing.assert_allclose(
            np.asarray(variable)[certain], expected[certain], atol=1e-5
        )


def test_accumulation_gives_the_step_of_the_whole_batch():
    whole = small_trainer(model=NO_DROPOUT)
    slices = small_trainer(model=NO_DROPOUT, accumulation_steps=4)
    for seed in range(3):
        # Masked tokens are not spread evenly over the slices.
        batch = random_batch(batch_size=8, seed=seed)
        one, other = whole.train_step(batch), slices.train_step(batch)
        for name in one:
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-4)
    assert_same_weights(whole, slices, atol=2e-5)


@pytest.mark.slow
def test_accumulation_on_rows_of_two_lengths():
    one = small_trainer(model=NO_DROPOUT)
    two = small_trainer(model=NO_DROPOUT, accumulation_steps=2)
    for length in (12, 16, 12):
        batch = random_batch(8, sequence=length)
        losses = [float(t.train_step(batch)["loss"]) for t in (one, two)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    "jit_compile", ["auto", pytest.param("on", marks=pytest.mark.slow)]
)
def test_compiled_step_equals_the_plain_one_with_dropout(jit_compile):
    compiled = small_trainer(jit_compile=jit_compile)
    plain = small_trainer(jit_compile="off")
    for seed in range(3):
        batch = random_batch(seed=seed)
        one, other = compiled.train_step(batch), plain.train_step(batch)
        assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=1e-5)
        norms = float(one["gradient_norm"]), float(other["gradient_norm"])
        assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_the_seed_alone_makes_the_dropout_masks():
    losses = [
        float(small_trainer(seed=seed).train_step(random_batch())["loss"])
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.fixture
def two_devices():
    """In one process each, for a machine is divided into devices only once."""
    devices = tf.config.list_logical_devices("CPU")
    assert len(devices) == 2
    return tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def halves_of(batch, strategy):
    """A batch of 8 rows as its two replicas have it."""
    return strategy.experimental_distribute_values_from_function(
        lambda context: {
            name: value[context.replica_id_in_sync_group * 4 :][:4]
            for name, value in batch.items()
        }
    )


@pytest.mark.parametrize(
    "jit_compile", ["auto", pytest.param("on", marks=pytest.mark.slow)]
)
def test_two_replicas_give_the_step_of_one(two_devices, jit_compile):
    single = small_trainer(model=NO_DROPOUT)
    with two_devices.scope():
        double = small_trainer(
            model=NO_DROPOUT, strategy=two_devices, jit_compile=jit_compile
        )
    for seed in range(2):
        batch = random_batch(batch_size=8, seed=seed)
        one = single.train_step(batch)
        other = double.train_step(halves_of(batch, two_devices))
        for name in one:
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-4)
    assert_same_weights(single, double, atol=2e-5)


@pytest.mark.slow
def test_float16_on_two_replicas_has_one_loss_scale(two_devices):
    single = small_trainer(dtype="mixed_float16", model=NO_DROPOUT)
    with two_devices.scope():
        double = small_trainer(
            dtype="mixed_float16", model=NO_DROPOUT, strategy=two_devices
        )
    batch = random_batch(batch_size=8)
    # So that the first steps overflow.
    for trainer in (single, double):
        trainer.loss_scale.assign(2.0**24)
    skipped = [0.0, 0.0]
    for _ in range(20):
        one = single.train_step(batch)
        other = double.train_step(halves_of(batch, two_devices))
        skipped[0] += 1 - float(one["finite"])
        skipped[1] += 1 - float(other["finite"])
        for variable in (double.loss_scale, double.model.weights[0].value):
            first, second = two_devices.experimental_local_results(variable)
            np.testing.assert_array_equal(first.numpy(), second.numpy())
    # Gradients of other sums overflow at a scale that may be the next one.
    assert min(skipped) > 0 and max(skipped) - min(skipped) <= 1
    assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=0.02)
    norms = float(one["gradient_norm"]), float(other["gradient_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=0.1)


def test_learns_a_batch_by_heart():
    trainer = small_trainer(learning_rate=1e-2, model=NO_DROPOUT, jit_compile="auto")
    batch = random_batch()
    for _ in range(60):
        metrics = trainer.train_step(batch)
    assert float(metrics["mlm_accuracy"]) > 0.99
    assert float(metrics["sentence_accuracy"]) == 1


@pytest.mark.parametrize(
    "dtype",
    ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)],
)
def test_mixed_precision_learns_too(dtype):
    trainer = small_trainer(
        dtype=dtype, learning_rate=1e-2, model=NO_DROPOUT, jit_compile="auto"
    )
    batch = random_batch()
    for _ in range(60):
        metrics = trainer.train_step(batch)
    assert float(metrics["mlm_accuracy"]) > 0.95
    assert all(variable.dtype == "float32" for variable in trainer.model.weights[:3])


def test_float16_halves_its_loss_scale_and_skips_the_step():
    trainer = small_trainer(dtype="mixed_float16")
    trainer.loss_scale.assign(2.0**24)
    before = weights(trainer)
    metrics = trainer.train_step(random_batch())
    assert float(metrics["finite"]) == 0
    assert float(trainer.loss_scale) == 2.0**23
    assert all(
        np.array_equal(a, b) for a, b in zip(before, weights(trainer), strict=True)
    )
    while not float(trainer.train_step(random_batch())["finite"]):
        pass
    assert 1 < float(trainer.loss_scale) < 2.0**23


def test_float16_doubles_its_loss_scale_after_2000_good_steps():
    trainer = small_trainer(dtype="mixed_float16")
    trainer.loss_scale.assign(8.0)
    trainer._good_steps.assign(1999)
    trainer.train_step(random_batch())
    assert float(trainer.loss_scale) == 16
    assert int(trainer._good_steps) == 0


def test_evaluation_is_the_mean_over_all_batches():
    trainer = small_trainer()
    batch = random_batch(batch_size=8)
    whole = tf.data.Dataset.from_tensors(batch)
    parts = tf.data.Dataset.from_tensor_slices(batch).batch(3)
    one, other = trainer.evaluate(whole), trainer.evaluate(parts)
    assert set(one) == {
        "loss",
        "mlm_loss",
        "mlm_accuracy",
        "sentence_loss",
        "sentence_accuracy",
    }
    for name in one:
        assert one[name] == pytest.approx(other[name], rel=1e-4)


def test_evaluation_without_batches():
    empty = tf.data.Dataset.from_tensors(random_batch()).take(0)
    with pytest.raises(ValueError, match="Received no batch to evaluate on"):
        small_trainer().evaluate(empty)


# --- The loop.


def test_progress_and_evaluations(tmp_path):
    trainer = small_trainer(learning_rate=WarmupLinearDecay(1e-3, 10, 2))
    evaluated = []
    progress = run(
        trainer,
        [phase(7)],
        tmp_path,
        log_every=3,
        eval_every=4,
        evaluate=evaluated.append,
    )
    assert [p.step for p in progress] == [3, 4, 6, 7]
    assert evaluated == [4, 7]
    for one in progress:
        rates = one.per_second
        assert rates["flops"] / rates["tokens"] == pytest.approx(1e6 / 48)
    # The means over steps 0 to 2 of a rise in two steps and a fall in ten.
    rate = progress[0].metrics["learning_rate"]
    assert rate == pytest.approx((0 + 0.5e-3 + 0.8e-3) / 3)


@pytest.mark.parametrize("stops", [(3, 5), pytest.param((6,), marks=pytest.mark.slow)])
def test_a_stopped_run_goes_on_exactly(tmp_path, stops):
    """Within the first phase, where the second begins, and within that."""
    whole = small_trainer()
    phases = [phase(5), phase(8, seed=50)]
    run(whole, phases, tmp_path / "whole")
    for stop in stops:
        folder = tmp_path / str(stop)
        first = small_trainer()
        stopped = [p for p in phases if p.end_step < stop]
        rest = phases[len(stopped)]
        cut = dataclasses.replace(rest, end_step=stop)
        run(first, [*stopped, cut], folder, checkpoint_every=2)
        log = RecordedLog()
        second = small_trainer()
        run(second, phases, folder, log=log)
        assert log.resumed == [stop]
        assert_same_weights(second, whole)


def test_a_finished_run_does_nothing(tmp_path):
    trainer = small_trainer()
    run(trainer, [phase(2)], tmp_path)
    assert run(small_trainer(), [phase(2)], tmp_path) == []


def test_sigterm_saves_and_stops(tmp_path):
    trainer = small_trainer()

    def stop(progress):
        if progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Preempted, match="after step 3"):
        run(trainer, [phase(50)], tmp_path, log_every=1, log=RecordedLog(stop))
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("step-3")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def poisoned(end_step, bad):
    """Batches that are not finite where `bad(attempt, number)` says so."""

    def batches(replica, num_replicas, attempt):
        def poison(number, batch):
            factor = tf.where(bad(attempt, number), math.nan, 1.0)
            return {**batch, "mlm_weights": batch["mlm_weights"] * factor}

        dataset = phase(end_step).batches(replica, num_replicas, attempt)
        return dataset.enumerate().map(poison)

    return Phase(end_step, batches, work={"tokens": 48})


def test_bad_batches_are_skipped_and_counted(tmp_path):
    trainer = small_trainer()
    bad = poisoned(12, lambda attempt, number: (number >= 2) & (number < 5))
    progress = run(trainer, [bad], tmp_path, log_every=4)
    assert [p.metrics.get("skipped_steps") for p in progress] == [2, 1, None]
    assert all(math.isfinite(p.metrics["loss"]) for p in progress)
    assert int(trainer.optimizer.iterations) == 12
    assert int(trainer.rollbacks) == 0


def test_many_bad_steps_lead_back_to_other_data_and_a_lower_rate(tmp_path):
    trainer = small_trainer(learning_rate=1e-3)
    # Of the first data all are bad from batch 6 on, of the second none is.
    bad = poisoned(30, lambda attempt, number: (attempt == 0) & (number >= 6))
    log = RecordedLog()
    progress = run(trainer, [bad], tmp_path, log_every=2, checkpoint_every=4, log=log)
    # 4 was saved, 8 lay within the bad ones; at 16 it was known.
    assert [p.step for p in progress] == [2, 4, 6, 8, 10, 12, 14, *range(6, 31, 2)]
    (message,) = log.messages
    assert "from step 7 on, were not finite: resuming from step 4" in message
    rates = [p.metrics["learning_rate"] for p in progress]
    assert rates[:3] == pytest.approx([1e-3] * 3)
    assert rates[7:] == pytest.approx([5e-4] * 13)
    assert math.isnan(progress[4].metrics["loss"])
    assert math.isfinite(progress[-1].metrics["loss"])


@pytest.mark.slow
def test_a_run_that_went_back_goes_on_exactly(tmp_path):
    phases = [poisoned(30, lambda attempt, number: (attempt == 0) & (number >= 6))]
    whole, first, second = (small_trainer() for _ in range(3))
    arguments = {"log_every": 2, "checkpoint_every": 4}
    run(whole, phases, tmp_path / "whole", **arguments)

    def stop(progress):
        if progress.step == 22:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Preempted):
        run(first, phases, tmp_path / "cut", log=RecordedLog(stop), **arguments)
    run(second, phases, tmp_path / "cut", **arguments)
    assert int(second.rollbacks) == 1
    assert_same_weights(second, whole)


def test_a_loss_that_is_never_a_number_stops_the_run(tmp_path):
    bad = poisoned(50, lambda attempt, number: number >= 6)
    message = (
        r"not finite in 10 steps from step \d+ on after 3 returns to a checkpoint\. "
        r".*last good checkpoint: .*step-\d+"
    )
    with pytest.raises(NonFiniteLoss, match=message):
        run(small_trainer(), [bad], tmp_path, checkpoint_every=2, log_every=1)


def test_float16_gives_up_once_its_loss_scale_can_not_fall(tmp_path):
    """From 2 ** 15 it falls for 15 steps; those count, too."""
    bad = poisoned(60, lambda attempt, number: number >= 3)
    trainer = small_trainer(dtype="mixed_float16")
    message = "not finite in 15 steps from step 4 on.*none was written yet"
    with pytest.raises(NonFiniteLoss, match=message):
        run(trainer, [bad], tmp_path, log_every=1)
    assert float(trainer.loss_scale) == 1.0


def test_a_loss_that_is_no_number_before_any_checkpoint(tmp_path):
    bad = poisoned(50, lambda attempt, number: number >= 6)
    with pytest.raises(NonFiniteLoss, match="none was written yet"):
        run(small_trainer(), [bad], tmp_path, log_every=1)


def test_a_bad_step_changes_no_weight():
    trainer = small_trainer()
    batch = random_batch()
    batch["mlm_weights"] *= math.nan
    before = weights(trainer)
    assert float(trainer.train_step(batch)["finite"]) == 0
    assert all(
        np.array_equal(a, b) for a, b in zip(before, weights(trainer), strict=True)
    )


def test_checkpoints_of_another_model_are_refused(tmp_path):
    run(small_trainer(), [phase(1)], tmp_path)
    other = small_trainer(model={"hidden_size": 32})
    with pytest.raises(ValueError, match="incompatible"):
        run(other, [phase(2)], tmp_path)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("changed", marks=pytest.mark.slow),
        *(
            pytest.param(k, marks=pytest.mark.slow)
            for k in ("cut off", "empty", "index")
        ),
    ],
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, kind):
    whole = small_trainer()
    run(whole, [phase(9)], tmp_path / "whole")
    run(small_trainer(), [phase(6)], tmp_path / "run", checkpoint_every=3)
    data = tmp_path / "run" / "step-6.data-00000-of-00001"
    content = data.read_bytes()
    if kind == "cut off":
        data.write_bytes(content[: len(content) // 2])
    elif kind == "changed":
        middle = len(content) // 2
        data.write_bytes(content[:middle] + b"\xff\x00\xff\x00" + content[middle + 4 :])
    elif kind == "empty":
        data.write_bytes(b"")
    else:
        (tmp_path / "run" / "step-6.index").write_bytes(b"")
    again, log = small_trainer(), RecordedLog()
    run(again, [phase(9)], tmp_path / "run", log=log)
    assert log.resumed == [3]
    assert "step-6 is damaged" in log.messages[0]
    assert_same_weights(again, whole)


def test_all_checkpoints_damaged(tmp_path):
    run(small_trainer(), [phase(6)], tmp_path, checkpoint_every=3)
    for path in tmp_path.glob("step-*.data*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"All checkpoints in .* are damaged"):
        run(small_trainer(), [phase(9)], tmp_path)


def test_two_checkpoints_are_kept(tmp_path):
    run(small_trainer(), [phase(9)], tmp_path, checkpoint_every=2)
    names = {path.name.partition(".")[0] for path in tmp_path.iterdir()}
    assert names == {"checkpoint", "step-8", "step-9", "position-8", "position-9"}
