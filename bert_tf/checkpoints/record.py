"""What another format has no place for, in a file beside the model.

Names of classes, lengths, the threshold of answers: Google's checkpoints hold none of
them, and no format holds all. The file says what the model was, and what is read of it
without the file. Whoever changes the model changes the second, and the first is void.
"""

import dataclasses
import json
import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.model_dir import Description, description_from
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json

RECORD = "bert_tf_description.json"
_MODEL, _AS_READ = "model", "as_read"


def write(folder: str, description: Description, as_read: Description) -> None:
    """Writes the file, if anything is lost without it.

    Args:
        folder: of the model in the other format.
        description: of the model.
        as_read: what the reader of the format finds there.
    """
    model, found = _values(description), _values(as_read)
    if model != found:
        content = json.dumps({_MODEL: model, _AS_READ: found}, indent=2)
        write_file(posixpath.join(folder, RECORD), content.encode() + b"\n")


def completed(folder: str, as_read: Description) -> Description:
    """The description with what the file says, if it is there and not void.

    Raises:
        ValueError: it is broken.
    """
    path = posixpath.join(folder, RECORD)
    if not tf.io.gfile.exists(path):
        return as_read
    record = read_json(path)
    if record.get(_AS_READ) != _values(as_read):
        print(f"{path} is not of this model, which was changed since: left aside.")
        return as_read
    return description_from(record.get(_MODEL), path)


def _values(description: Description) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(description)))
