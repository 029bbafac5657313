import gzip
import json

import pytest

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Reading
from tests.shared import SHARED


@pytest.fixture
def write(tmp_path):
    """Writes text, bytes, lines or rows of JSON to a file, as its name says."""

    def write(name, content):
        if isinstance(content, list):
            lines = [x if isinstance(x, str) else json.dumps(x) for x in content]
            content = "".join(f"{line}\n" for line in lines)
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return write


@pytest.fixture
def read(write):
    """Writes a file, reads its examples, and gives them with the lines of the log."""

    def read(reader, content, role="train", labels=None, name="a.tsv", **files):
        log = ReadLog(role)
        paths = (write(name, content),)
        examples = reader.read_files(Files(paths, **files), Reading(role, labels, log))
        examples = list(examples)
        assert log.used == len(examples)
        return examples, [line.removeprefix(f"{role}: ") for line in log.lines()[1:]]

    return read


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED}")
    return str(SHARED)


@pytest.fixture
def mock_tfds():
    """A function that makes TFDS give these examples for whatever is loaded."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def mock(*examples):
        def as_dataset(self, *args, **kwargs):
            features = self.info.features
            records = [features.serialize_example(example) for example in examples]
            dataset = tf.data.Dataset.from_tensor_slices(records)
            return dataset.map(features.deserialize_example)

        return tfds.testing.mock_data(as_dataset_fn=as_dataset)

    return mock
