import dataclasses
import math
import os
import signal

import pytest
import tensorflow as tf

from bert_tf.optim.schedule import WarmupLinearDecay
from bert_tf.training.loop import NonFiniteLoss, Phase, Preempted, train
from data_pipelines.programs import interruption
from tests.bert_tf.small_models import random_batch
from tests.bert_tf.training.trainers import assert_same, small_trainer, weights


@pytest.fixture(autouse=True)
def interrupts_come():
    """In a test run that was started with `&` they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


def weights_after(phases, folder, **arguments):
    """Those of a trainer that knows nothing but what the folder holds."""
    trainer = small_trainer()
    run(trainer, phases, folder, **arguments)
    return weights(trainer)


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


@pytest.mark.parametrize("stop", [3, 5, 6])
def test_a_stopped_run_goes_on_exactly(tmp_path, stop):
    """Within the first phase, where the second begins, and within that."""
    phases = [phase(5), phase(8, seed=50)]
    whole = weights_after(phases, tmp_path / "whole")
    stopped = [p for p in phases if p.end_step < stop]
    cut = dataclasses.replace(phases[len(stopped)], end_step=stop)
    weights_after([*stopped, cut], tmp_path / "cut", checkpoint_every=2)
    log = RecordedLog()
    resumed = weights_after(phases, tmp_path / "cut", log=log)
    assert log.resumed == [stop]
    assert_same(resumed, whole)


def test_a_finished_run_does_nothing(tmp_path):
    trainer = small_trainer()
    run(trainer, [phase(2)], tmp_path)
    assert run(small_trainer(), [phase(2)], tmp_path) == []


@pytest.mark.parametrize(
    ("number", "message", "exit_code"),
    [
        (signal.SIGTERM, "Stopped by SIGTERM after step 3", 143),
        (signal.SIGHUP, "Stopped by SIGHUP after step 3", 129),
        (signal.SIGINT, "Interrupted after step 3", 130),
    ],
)
def test_signals_save_and_stop(tmp_path, capfd, number, message, exit_code):
    before = signal.getsignal(number)
    trainer = small_trainer()

    def stop(progress):
        if progress.step == 2:
            os.kill(os.getpid(), number)

    with pytest.raises(Preempted, match=rf"{message}\. The same command") as stopped:
        run(trainer, [phase(50)], tmp_path, log_every=1, log=RecordedLog(stop))
    assert stopped.value.exit_code == exit_code
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("step-3")
    assert signal.getsignal(number) == before
    told = "Interrupted: saving a checkpoint. Again: ends at once."
    assert (told in capfd.readouterr().err) == (number == signal.SIGINT)


def test_a_second_interrupt_ends_at_once(tmp_path):
    """In a notebook as Python does it; in a program as before the training."""

    def stop(progress):
        if progress.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(small_trainer(), [phase(50)], tmp_path, log_every=1, log=RecordedLog(stop))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    handlers = []

    def look(progress):
        if progress.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
            handlers.append(signal.getsignal(signal.SIGINT))

    with interruption.handled("Nothing."):
        of_program = signal.getsignal(signal.SIGINT)
        log = RecordedLog(look)
        with pytest.raises(Preempted):
            run(small_trainer(), [phase(50)], tmp_path, log_every=1, log=log)
    assert handlers == [of_program]


def test_signals_that_are_ignored_stay_so(tmp_path, monkeypatch):
    """As under nohup."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def stop(progress):
        os.kill(os.getpid(), signal.SIGINT)

    try:
        run(small_trainer(), [phase(3)], tmp_path, log_every=1, log=RecordedLog(stop))
    finally:
        signal.signal(signal.SIGINT, before)


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


def test_a_run_that_went_back_goes_on_exactly(tmp_path):
    phases = [poisoned(30, lambda attempt, number: (attempt == 0) & (number >= 6))]
    arguments = {"log_every": 2, "checkpoint_every": 4}
    whole = weights_after(phases, tmp_path / "whole", **arguments)

    def stop(progress):
        if progress.step == 22:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Preempted):
        weights_after(phases, tmp_path / "cut", log=RecordedLog(stop), **arguments)
    resumed = small_trainer()
    run(resumed, phases, tmp_path / "cut", **arguments)
    assert int(resumed.rollbacks) == 1
    assert_same(weights(resumed), whole)


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


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path):
    whole = weights_after([phase(9)], tmp_path / "whole")
    weights_after([phase(6)], tmp_path / "run", checkpoint_every=3)
    data = tmp_path / "run" / "step-6.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    log = RecordedLog()
    again = weights_after([phase(9)], tmp_path / "run", log=log)
    assert log.resumed == [3]
    assert "step-6 is damaged" in log.messages[0]
    assert_same(again, whole)


def test_two_checkpoints_are_kept(tmp_path):
    run(small_trainer(), [phase(9)], tmp_path, checkpoint_every=2)
    names = {path.name.partition(".")[0] for path in tmp_path.iterdir()}
    assert names == {"checkpoint", "step-8", "step-9", "position-8", "position-9"}
