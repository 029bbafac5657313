"""What TF Serving needs beside the models: files to copy, and a list of the models.

The files are as they are here; `write_kit` puts them beside the models once, and
leaves what a user has changed.
"""

import importlib.resources
import posixpath

import tensorflow as tf

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
    if _add_model(posixpath.join(saved_models_dir, MODELS), saved_models_dir, name):
        written.append(MODELS)
    for file in FILES:
        path = posixpath.join(saved_models_dir, file)
        if not tf.io.gfile.exists(path):
            content = importlib.resources.files(__package__).joinpath(file).read_text()
            _write(path, content)
            written.append(file)
    return written


def _add_model(path: str, saved_models_dir: str, name: str) -> bool:
    # Late: protos of TF Serving, which only an export needs.
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

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
    models = config.model_config_list.config
    if any(model.name == name for model in models):
        return False
    base = saved_models_dir if "://" in saved_models_dir else _MOUNTED
    models.add(
        name=name,
        base_path=posixpath.join(base, name),
        model_platform="tensorflow",
    )
    _write(path, text_format.MessageToString(config))
    return True


def _write(path: str, content: str) -> None:
    with tf.io.gfile.GFile(f"{path}.tmp", "w") as file:
        file.write(content)
    tf.io.gfile.rename(f"{path}.tmp", path, overwrite=True)
