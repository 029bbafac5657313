import pytest
import tensorflow as tf

from bert_tf.training import run_checkpoints
from bert_tf.training.run_checkpoints import RunCheckpoints


class Run:
    """What a run keeps: two values, and a place in the numbers from 0 on."""

    def __init__(self, folder, strategy=None, **more):
        self.step = tf.Variable(0, dtype=tf.int64)
        self.weight = tf.Variable([0.0, 0.0])
        self.data = iter(tf.data.Dataset.range(100))
        self.said = []
        self.checkpoints = RunCheckpoints(
            str(folder),
            {"step": self.step, "weight": self.weight, **more},
            strategy or tf.distribute.get_strategy(),
            self.said.append,
        )

    def save(self, *steps, phase=0):
        """Checkpoints of some steps; each step takes one number."""
        for step in steps:
            while int(self.step) < step:
                next(self.data)
                self.step.assign_add(1)
            self.weight.assign([step, -step])
            self.checkpoints.save(step, phase, {0: self.data})
        return self


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def names_in(folder):
    return {path.name.partition(".")[0] for path in folder.iterdir()}


def test_all_values_and_the_position_come_back(folder):
    Run(folder).save(3)
    again = Run(folder)
    assert again.checkpoints.restore() == 3
    assert int(again.step) == 3
    assert again.weight.numpy().tolist() == [3, -3]
    assert again.checkpoints.restore_position(3, 0, {0: again.data})
    assert int(next(again.data)) == 3
    assert again.said == []


def test_a_folder_without_checkpoints(folder):
    run = Run(folder)
    assert run.checkpoints.latest() is None
    assert run.checkpoints.restore() == 0


def test_two_are_kept_with_their_positions(folder):
    run = Run(folder).save(2, 4, 10)
    assert run.checkpoints.latest() == f"{folder}/step-10"
    assert names_in(folder) == {
        "checkpoint",
        *("step-4", "step-10", "position-4", "position-10"),
    }


def test_a_step_that_is_saved_again_keeps_the_one_before(folder):
    run = Run(folder).save(2, 4, 4)
    assert {"step-2", "step-4"} < names_in(folder)
    assert run.checkpoints.restore() == 4


@pytest.mark.parametrize(
    "name",
    [
        *("step-notes.txt", "step-2.txt", "step-2.index.bak", "step-02.index"),
        *("my-step-2.index", "step-2.data", "step-2", "position-2.zip", "position-x/a"),
        *("ckpt-2.index", "step-1e3.index", "step-99999999999999999999999.index"),
    ],
)
def test_other_files_of_the_folder_are_left_alone(folder, name):
    Run(folder).save(2)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("of the user")
    again = Run(folder)
    assert again.checkpoints.restore() == 2
    assert again.said == []
    again.save(4, 6, 8)
    assert path.read_text() == "of the user"


def test_what_came_after_a_step_that_is_done_again_stays_until_it_is_superseded(folder):
    """As after a return to an earlier checkpoint."""
    Run(folder).save(2, 8)
    again = Run(folder).save(5)
    assert again.checkpoints.latest() == f"{folder}/step-5"
    assert {"step-5", "step-8", "position-5", "position-8"} < names_in(folder)
    again.save(7, 9)
    assert names_in(folder) == {
        "checkpoint",
        *("step-7", "step-9", "position-7", "position-9"),
    }


def test_a_folder_may_be_moved(folder, tmp_path):
    Run(folder).save(3)
    folder.rename(tmp_path / "elsewhere")
    again = Run(tmp_path / "elsewhere")
    assert again.checkpoints.restore() == 3
    assert again.checkpoints.restore_position(3, 0, {0: again.data})


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\x00 no text", b"model: 3", "cut"]
)
def test_the_folder_itself_tells_what_there_is(folder, content):
    Run(folder).save(3, 6)
    state = folder / "checkpoint"
    if content is None:
        state.unlink()
    else:
        state.write_bytes(state.read_bytes()[:40] if content == "cut" else content)
    again = Run(folder)
    assert (again.checkpoints.restore(), again.said) == (6, [])
    assert again.weight.numpy().tolist() == [6, -6]
    assert again.checkpoints.restore_position(6, 0, {0: again.data})
    again.save(7)
    assert tf.train.latest_checkpoint(str(folder)) == f"{folder}/step-7"
    assert {"step-6", "step-7"} < names_in(folder)


def half_written(folder, step):
    """Makes a checkpoint what a kill amid its save leaves."""
    (folder / f"step-{step}.index").unlink()
    (folder / f"step-{step}.index.tempstate12").write_bytes(b"half")
    part = folder / f"step-{step}_temp" / "part-00000-of-00001.index"
    part.parent.mkdir()
    part.write_bytes(b"half")


def test_a_half_written_checkpoint_does_not_count(folder):
    Run(folder).save(3, 6)
    half_written(folder, 6)
    again = Run(folder)
    assert again.checkpoints.restore() == 3
    (message,) = again.said
    assert f"{folder}/step-6 has no .index" in message and "3 is used" in message
    again.save(4)
    assert {"step-3", "step-4", "step-6", "position-6"} < names_in(folder)
    again.save(7)
    assert names_in(folder) == {
        "checkpoint",
        *("step-4", "step-7", "position-4", "position-7"),
    }


def test_the_first_checkpoint_is_half_written(folder):
    Run(folder).save(3)
    half_written(folder, 3)
    again = Run(folder)
    assert again.checkpoints.restore() == 0
    (message,) = again.said
    assert message.endswith("or the file is lost. No checkpoint is used.")
    again.save(2)
    assert (folder / "step-3.data-00000-of-00001").exists()


def test_a_damaged_checkpoint_stays_until_a_later_one_is_whole(folder):
    Run(folder).save(3, 6)
    data = folder / "step-6.data-00000-of-00001"
    content = data.read_bytes()
    data.write_bytes(content[:10])
    again = Run(folder)
    again.checkpoints.restore()
    again.save(4, 5)
    assert data.read_bytes() == content[:10]
    # It may have been damaged for this machine alone.
    data.write_bytes(content)
    assert Run(folder).checkpoints.restore() == 6
    again.save(8)
    assert not data.exists()


def test_the_oldest_goes_only_when_the_newest_is_whole(folder, monkeypatch):
    run = Run(folder).save(3, 6)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_checkpoints, "sync", fail)
    with pytest.raises(OSError, match="No space"):
        run.save(9)
    assert {"step-3", "step-6"} < names_in(folder)


def test_files_that_can_not_be_reached_are_not_damaged(folder, monkeypatch):
    Run(folder).save(3, 6)
    again = Run(folder)

    def fail(path):
        raise tf.errors.UnavailableError(None, None, "No network")

    monkeypatch.setattr(again.checkpoints._checkpoint, "read", fail)
    with pytest.raises(tf.errors.UnavailableError):
        again.checkpoints.restore()
    assert again.said == []


@pytest.mark.parametrize("kind", ["changed", "cut off", "empty", "index", "removed"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder, kind):
    Run(folder).save(3, 6)
    data, index = folder / "step-6.data-00000-of-00001", folder / "step-6.index"
    content = data.read_bytes()
    if kind == "changed":
        middle = len(content) // 2
        flipped = bytes(255 - byte for byte in content[middle : middle + 4])
        data.write_bytes(content[:middle] + flipped + content[middle + 4 :])
    elif kind == "cut off":
        data.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        data.write_bytes(b"")
    elif kind == "index":
        index.write_bytes(b"")
    else:
        data.unlink()
    again = Run(folder)
    assert again.checkpoints.restore() == 3
    assert again.weight.numpy().tolist() == [3, -3]
    (message,) = again.said
    assert message.startswith(f"The checkpoint {folder}/step-6 is damaged (")
    assert message.endswith("): the one before it is used.")
    assert "\n" not in message


def test_all_are_damaged(folder):
    Run(folder).save(3, 6)
    for path in folder.glob("step-*.data*"):
        path.write_bytes(b"")
    before = sorted(folder.rglob("*"))
    again = Run(folder)
    with pytest.raises(ValueError, match=r"All checkpoints in .* are damaged\. Expec"):
        again.checkpoints.restore()
    assert [message.split()[2] for message in again.said] == [
        f"{folder}/step-6",
        f"{folder}/step-3",
    ]
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"moment": tf.Variable(0.0)}, "step-3 lacks values that this model"),
        ({"weight": tf.Variable([0.0])}, "incompatible"),
    ],
    ids=["more values", "another shape"],
)
def test_checkpoints_of_another_model_are_refused(folder, more, message):
    """Rather than passed over, as a damaged one is."""
    Run(folder).save(3)
    other = Run(folder, **more)
    with pytest.raises(ValueError, match=message):
        other.checkpoints.restore()
    assert other.said == []


def test_a_position_that_was_not_saved(folder):
    run = Run(folder).save(3, phase=1)
    find = run.checkpoints.restore_position
    assert find(3, 1, {0: run.data})
    assert not find(4, 1, {0: run.data}), "another step"
    assert not find(3, 0, {0: run.data}), "another phase"
    assert not find(3, 1, {0: run.data, 1: run.data}), "one replica more"


def test_positions_of_another_number_of_replicas_do_not_fit(folder):
    Run(folder).save(3)
    devices = tf.config.list_logical_devices("CPU")
    two = Run(folder, tf.distribute.MirroredStrategy(devices))
    assert two.checkpoints.restore() == 3
    assert not two.checkpoints.restore_position(3, 0, {0: two.data})


def test_a_damaged_position_is_as_none(folder):
    run = Run(folder).save(3)
    for path in (folder / "position-3").glob("*.data*"):
        path.write_bytes(b"")
    assert not run.checkpoints.restore_position(3, 0, {0: run.data})


def test_a_worker_that_is_not_the_chief_writes_positions_alone(folder, monkeypatch):
    monkeypatch.setattr(run_checkpoints, "is_chief", lambda strategy: False)
    Run(folder).save(3)
    assert names_in(folder) == {"position-3"}


def test_what_another_worker_cannot_read_none_uses(folder, monkeypatch):
    Run(folder).save(3, 6)
    asked = []

    def all_agree(strategy, answer):
        asked.append(answer)
        return len(asked) > 1

    monkeypatch.setattr(run_checkpoints, "all_agree", all_agree)
    again = Run(folder)
    assert again.checkpoints.restore() == 3
    assert again.weight.numpy().tolist() == [3, -3]
    assert asked == [True, True]
