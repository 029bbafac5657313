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


def test_other_files_of_the_folder_are_left_alone(folder):
    Run(folder).save(2)
    (folder / "step-notes.txt").write_text("of the user")
    Run(folder).save(4, 6)
    assert (folder / "step-notes.txt").read_text() == "of the user"


def test_what_came_after_a_step_that_is_done_again_is_forgotten(folder):
    """As after a return to an earlier checkpoint."""
    Run(folder).save(2, 8)
    again = Run(folder).save(5)
    assert again.checkpoints.latest() == f"{folder}/step-5"
    assert names_in(folder) == {
        "checkpoint",
        *("step-2", "step-5", "position-2", "position-5"),
    }


def test_a_folder_may_be_moved(folder, tmp_path):
    Run(folder).save(3)
    folder.rename(tmp_path / "elsewhere")
    again = Run(tmp_path / "elsewhere")
    assert again.checkpoints.restore() == 3
    assert again.checkpoints.restore_position(3, 0, {0: again.data})


def test_files_of_a_save_that_did_not_end_do_not_count(folder):
    """The state file names a checkpoint last."""
    Run(folder).save(3)
    state = (folder / "checkpoint").read_bytes()
    Run(folder).save(6)
    (folder / "checkpoint").write_bytes(state)
    again = Run(folder)
    assert again.checkpoints.latest() == f"{folder}/step-3"
    assert again.checkpoints.restore() == 3
    # The next save takes them away, or writes them anew.
    again.save(4)
    assert names_in(folder) == {
        "checkpoint",
        *("step-3", "step-4", "position-3", "position-4"),
    }


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
    again = Run(folder)
    with pytest.raises(ValueError, match=r"All checkpoints in .* are damaged\. Expec"):
        again.checkpoints.restore()
    assert [message.split()[2] for message in again.said] == [
        f"{folder}/step-6",
        f"{folder}/step-3",
    ]


@pytest.mark.parametrize("content", [b"", b"\xff\x00 no text", b"model: 3"])
def test_a_state_file_that_says_nothing(folder, content):
    """To begin anew would remove the checkpoints."""
    Run(folder).save(3)
    (folder / "checkpoint").write_bytes(content)
    with pytest.raises(ValueError, match=r"/checkpoint is damaged\. Expected the na"):
        Run(folder).checkpoints.restore()


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
