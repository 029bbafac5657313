"""Files of datasets that TFDS has prepared."""

import os

from data_pipelines.files.fingerprints import present


def prepared_files(source: str) -> list[str]:
    """Returns the files of a split; an empty list if it is not prepared.

    Args:
        source: `NAME[/CONFIG][:SPLIT]`, such as `glue/cola:validation`. Split: `train`.
    """
    import tensorflow_datasets as tfds  # Imported here: it takes seconds.

    name, _, split = source.partition(":")
    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
        paths = builder.info.splits[split or "train"].filepaths
    # Builders of TFDS pass on whatever their libraries raise.
    except Exception:
        return []
    return present(*sorted(map(os.fspath, paths)))
