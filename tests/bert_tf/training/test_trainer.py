import math

import numpy as np
import pytest
import tensorflow as tf

from tests.bert_tf.small_models import random_batch
from tests.bert_tf.training.trainers import (
    NO_DROPOUT,
    assert_same,
    small_trainer,
    weights,
)
from tests.reference import optimizers


def assert_same_metrics(some_metrics, others, rel=1e-4):
    assert numbers(some_metrics) == pytest.approx(numbers(others), rel=rel)


def numbers(metrics):
    return {name: float(value) for name, value in metrics.items()}


def test_first_step_equals_the_optimizer_of_the_paper():
    trainer = small_trainer(model=NO_DROPOUT, learning_rate=0.01)
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
        batch = random_batch(seed=seed)
        assert_same_metrics(whole.train_step(batch), slices.train_step(batch))
    assert_same(weights(whole), weights(slices), atol=2e-5)


@pytest.mark.long
@pytest.mark.slow
def test_accumulation_on_rows_of_two_lengths():
    one = small_trainer(model=NO_DROPOUT)
    two = small_trainer(model=NO_DROPOUT, accumulation_steps=4)
    for length in (12, 16, 12):
        batch = random_batch(sequence=length)
        losses = [float(t.train_step(batch)["loss"]) for t in (one, two)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5), length


def test_one_trace_serves_batches_of_all_shapes():
    """So that a resumed run has the kernels of the run that saw all shapes."""
    trainer = small_trainer()
    for sequence, batch_size in ((12, 8), (16, 8), (16, 4)):
        trainer.train_step(random_batch(batch_size, sequence))
    assert trainer._train_step.experimental_get_tracing_count() == 1


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


@pytest.fixture(scope="module")
def two_devices():
    """One strategy for all tests, so that they share traces."""
    devices = tf.config.list_logical_devices("CPU")
    assert len(devices) == 2
    return tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def halves_of(batch, strategy):
    """A batch of 4 rows as its two replicas have it."""
    return strategy.experimental_distribute_values_from_function(
        lambda context: {
            name: value[context.replica_id_in_sync_group * 2 :][:2]
            for name, value in batch.items()
        }
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "jit_compile",
    ["off", *(pytest.param(jit, marks=pytest.mark.slow) for jit in ("auto", "on"))],
)
def test_two_replicas_give_the_step_of_one(two_devices, jit_compile):
    single = small_trainer(model=NO_DROPOUT)
    with two_devices.scope():
        double = small_trainer(
            model=NO_DROPOUT, strategy=two_devices, jit_compile=jit_compile
        )
    for seed in range(2):
        batch = random_batch(seed=seed)
        one = single.train_step(batch)
        other = double.train_step(halves_of(batch, two_devices))
        assert_same_metrics(one, other)
    assert_same(weights(single), weights(double), atol=2e-5)


@pytest.mark.long
@pytest.mark.slow
def test_float16_on_two_replicas_has_one_loss_scale(two_devices):
    single = small_trainer(dtype="mixed_float16", model=NO_DROPOUT)
    with two_devices.scope():
        double = small_trainer(
            dtype="mixed_float16", model=NO_DROPOUT, strategy=two_devices
        )
    batch = random_batch()
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
    trainer = small_trainer(learning_rate=1e-2, model=NO_DROPOUT)
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
    assert_same(weights(trainer), before)
    while not float(trainer.train_step(random_batch())["finite"]):
        pass
    assert 1 < float(trainer.loss_scale) < 2.0**23


def test_float16_doubles_its_loss_scale_after_2000_good_steps():
    trainer = small_trainer(dtype="mixed_float16")
    trainer.loss_scale.assign(8.0)
    good_steps = trainer.trackables()["good_steps"]
    for good, scale, left in ((1998, 8, 1999), (1999, 16, 0)):
        good_steps.assign(good)
        trainer.train_step(random_batch())
        assert (float(trainer.loss_scale), int(good_steps)) == (scale, left), good


def test_evaluation_is_the_mean_over_all_batches():
    trainer = small_trainer()
    batch = random_batch()
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


def test_a_bad_step_changes_no_weight():
    trainer = small_trainer()
    batch = random_batch()
    batch["mlm_weights"] *= math.nan
    before = weights(trainer)
    assert float(trainer.train_step(batch)["finite"]) == 0
    assert_same(weights(trainer), before)
