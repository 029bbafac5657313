"""The backend of Keras, known before Keras is imported."""

import json
import os
import sys


def require_tensorflow(what: str) -> None:
    """Raises ImportError where the backend of Keras is not TensorFlow.

    Programs and packages call it before they import Keras, which fails where the
    package of the other backend is not installed. Layers and models work on other
    backends.

    Args:
        what: the program or the package, for the message.
    """
    name, origin = _backend()
    if name != "tensorflow":
        raise ImportError(
            f"Received the Keras backend {name!r} from {origin}. Expected 'tensorflow' "
            f"for {what}: set the environment variable KERAS_BACKEND=tensorflow."
        )


def _backend() -> tuple[str, str]:
    """Finds the name of the backend, and where it is set, as Keras does."""
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "config"):
        return keras.config.backend(), "the imported Keras"
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "KERAS_BACKEND"
    path = os.path.expanduser(
        os.path.join(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json")
    )
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file).get("backend", "tensorflow"), path
    except (OSError, ValueError, AttributeError):
        # Keras ignores a broken file.
        return "tensorflow", path
