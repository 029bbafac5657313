"""What TF Serving needs beside the models: files to copy, and a list of the models.

The files are as they are here; `write_kit` puts them beside the models once, and
leaves what a user has changed.
"""

import importlib.resources
import posixpath
from typing import Any

import tensorflow as tf

from data_pipelines.files.atomic import write_file

MODELS = "models.config"
FILES = (
    "batching_parameters.txt",
    "monitoring.config",
    "prometheus.yml",
    "compose.yaml",
    "kubernetes.yaml",
)
# Where the files of the kit mount the folder of the models.
_MOUNTED = "/models"


def write_kit(saved_models_dir: str, name: str) -> list[str]:
    """Adds a model to `models.config`, and writes the files that are not there.

    Args:
        saved_models_dir: the folder of the models.
        name: of the model, a folder in it.

    Returns:
        The names of the files that were written.

    Raises:
        ValueError: there is a `models.config` that cannot be read.
    """
    written = []
    if _add_model(saved_models_dir, name):
        written.append(MODELS)
    for file in FILES:
        path = posixpath.join(saved_models_dir, file)
        if not tf.io.gfile.exists(path):
            content = importlib.resources.files(__package__).joinpath(file).read_text()
            write_file(path, content.encode())
            written.append(file)
    return written


def read_models(saved_models_dir: str) -> Any:
    """The `ModelServerConfig` of the models, empty if there is none yet.

    Raises:
        ValueError: it cannot be read.
    """
    # Late: protos of TF Serving, which only an export needs.
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    path = posixpath.join(saved_models_dir, MODELS)
    config = model_server_config_pb2.ModelServerConfig()
    if tf.io.gfile.exists(path):
        with tf.io.gfile.GFile(path) as file:
            try:
                text_format.Parse(file.read(), config)
            except text_format.ParseError as error:
                raise ValueError(
                    f"{path} is no list of models ({error}). Expected what an export "
                    "wrote, or TF Serving's ModelServerConfig: mend or remove it."
                ) from None
    return config


def _add_model(saved_models_dir: str, name: str) -> bool:
    config = read_models(saved_models_dir)
    models = config.model_config_list.config
    if any(model.name == name for model in models):
        return False
    base = saved_models_dir if "://" in saved_models_dir else _MOUNTED
    models.add(
        name=name,
        base_path=posixpath.join(base, name),
        model_platform="tensorflow",
    )
    write_file(posixpath.join(saved_models_dir, MODELS), str(config).encode())
    return True
