"""Writes files for TF Serving beside the models, and the list of the models.

The manifest for pre-training on several machines is not one of them: it stays here.
"""

import contextlib
import importlib.resources
import os
import posixpath
import re
from collections.abc import Iterator

import tensorflow as tf

from data_pipelines.files.atomic import write_file
from data_pipelines.files.locks import locked

MODELS = "models.config"
FILES = (
    "batching_parameters.txt",
    "monitoring.config",
    "prometheus.yml",
    "compose.yaml",
    "kubernetes.yaml",
)
# The path at which the files of the kit mount the folder of the models.
_MOUNTED = "/models"
_EMPTY = "model_config_list {\n}\n"
_ENTRY = """  config {{
    name: "{name}"
    base_path: "{base_path}"
    model_platform: "tensorflow"
  }}
"""


def write_kit(saved_models_dir: str, name: str) -> list[str]:
    """Adds a model to `models.config`, and writes the files that are missing.

    Existing files are not changed.

    Returns:
        The names of the files that were written.

    Raises:
        ValueError: there is a `models.config` that cannot be read.
    """
    written = []
    with _locked(saved_models_dir):
        # A remote folder has no lock: another program may overwrite the entry.
        while not _is_listed(name, models := read_models(saved_models_dir)):
            base = saved_models_dir if "://" in saved_models_dir else _MOUNTED
            entry = _ENTRY.format(name=name, base_path=posixpath.join(base, name))
            head, brace, tail = models.rpartition("}")
            content = f"{head}{entry}{brace}{tail}"
            write_file(posixpath.join(saved_models_dir, MODELS), content.encode())
            written = [MODELS]
        for file in FILES:
            path = posixpath.join(saved_models_dir, file)
            if not tf.io.gfile.exists(path):
                content = (
                    importlib.resources.files(__package__).joinpath(file).read_text()
                )
                write_file(path, content.encode())
                written.append(file)
    return written


def read_models(saved_models_dir: str) -> str:
    """The text of `models.config`, or an empty list if there is no such file.

    Raises:
        ValueError: it is not a list that a model can be added to.
    """
    path = posixpath.join(saved_models_dir, MODELS)
    if not tf.io.gfile.exists(path):
        return _EMPTY
    with tf.io.gfile.GFile(path) as file:
        text = file.read()
    is_list = re.match(r"(\s|#.*\n)*model_config_list\s*:?\s*\{", text)
    if not is_list or text.count("{") != text.count("}"):
        raise ValueError(
            f"{path} is not a list of models. Expected model_config_list {{ ... }}, as "
            "bert_tf.export writes it: correct or remove the file."
        )
    return text


def _is_listed(name: str, models: str) -> bool:
    return bool(re.search(rf"\bname\s*:\s*([\"']){re.escape(name)}\1", models))


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Holds the lock of a folder, created if missing; remote folders have none."""
    if "://" in folder:
        yield
        return
    os.makedirs(folder, exist_ok=True)
    with locked(folder, wait=True):
        yield
