"""Models of the Hugging Face Hub, downloaded by the package huggingface_hub.

`hf://USER/NAME` is the current version of a model, `hf://USER/NAME@REVISION` a branch,
a tag or a commit. Files that were downloaded before are not downloaded again.
"""

import os

from data_pipelines.programs.extras import extra

PREFIX = "hf://"
# The config, the tokenizer, and the settings of sentence-transformers and KerasHub.
_SETTINGS = ("*.json", "*.txt", "*.model")
_WEIGHTS = ("*.safetensors", "*.h5")
_PYTORCH = ("*.bin",)
# Files of other frameworks, and copies in other formats.
_IGNORED = ("onnx/*", "openvino/*", "tf_model.h5", "coreml/*", "*training_args.bin")


def is_there(source: str) -> bool:
    """True if a source is a name of the Hub."""
    return source.startswith(PREFIX)


def download(source: str) -> str:
    """Downloads a model, unless it has been downloaded; returns its local folder.

    Raises:
        ImportError: the package huggingface_hub is not installed.
        FileNotFoundError: there is no such model, or the Hub cannot be reached.
    """
    with extra("hub"):
        import huggingface_hub
        from huggingface_hub import errors
    name, _, revision = source.removeprefix(PREFIX).partition("@")

    def fetched(patterns: tuple[str, ...]) -> str:
        try:
            return huggingface_hub.snapshot_download(
                name,
                revision=revision or None,
                allow_patterns=list(patterns),
                ignore_patterns=list(_IGNORED),
            )
        except (
            errors.HfHubHTTPError,
            errors.LocalEntryNotFoundError,
            errors.HFValidationError,
            OSError,
        ) as error:
            reason = str(error).strip().partition("\n")[0]
            raise FileNotFoundError(
                f"Received {source!r}, which could not be downloaded: {reason} "
                "Expected hf:// and the name of a model that you may read, as in "
                "hf://answerdotai/ModernBERT-base: check the name, the network, and "
                "`hf auth login` for private models."
            ) from None

    folder = fetched((*_SETTINGS, *_WEIGHTS))
    if not any(
        file.endswith((".safetensors", ".h5"))
        for _, _, files in os.walk(folder)
        for file in files
    ):
        folder = fetched((*_SETTINGS, *_PYTORCH))
    return folder
