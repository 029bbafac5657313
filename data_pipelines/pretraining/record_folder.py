"""Record folders written by `create_pretraining_data`: manifest and shards."""

import posixpath
from typing import Any

import tensorflow as tf

from data_pipelines.files.json_files import read_json
from data_pipelines.files.paths import exists
from data_pipelines.tokenizers.vocabulary import Vocabulary

FORMAT = 1
MANIFEST = "manifest.json"


def read_manifest(output_dir: str) -> dict[str, Any]:
    """Reads the manifest of a folder of records.

    Returns:
        A dict with the options (`lower_case`, `strip_accents`, ...), the `inputs`, each
        with `name` and fingerprint, the `vocabulary_fingerprint` and `vocabulary_size`;
        `counts` and `heldout_counts` (documents, parts, sentences, tokens,
        unknown_tokens, bytes); `reading`, the counts from reading the text; and
        `shards`, each with `name`, `records`, `tokens` and `bytes`.

    Raises:
        FileNotFoundError: there is no manifest, so the folder is incomplete.
        ValueError: the manifest is damaged or from another version of this program.
    """
    path = posixpath.join(output_dir, MANIFEST)
    if not exists(path):
        raise FileNotFoundError(
            f"There is no {path!r}. Expected a folder that create_pretraining_data has "
            "completed: run it, or run it again to resume."
        )
    manifest = read_json(path)
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"{path} has the format {manifest.get('format')!r}. Expected {FORMAT}: "
            "write the records again."
        )
    return with_later_options(manifest)


def with_later_options(plan: dict[str, Any]) -> dict[str, Any]:
    """Adds options and fingerprints that older versions did not write to a plan."""
    # Accents were stripped together with lower-casing.
    plan = {"strip_accents": plan["lower_case"], "lines": "auto", **plan}
    return {**plan, "inputs": [_with_fingerprint(entry) for entry in plan["inputs"]]}


def _with_fingerprint(entry: dict[str, Any]) -> dict[str, Any]:
    """Converts an old entry, with a digest of the first 64 KiB, to a fingerprint."""
    if "begins" not in entry:
        return entry
    name, size = entry["name"], entry["bytes"]
    read = min(size, 1 << 16)
    return {"name": name, "bytes": size, "read": read, "digest": entry["begins"]}


def check_vocabulary(manifest: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Raises ValueError if the records were made with another vocabulary."""
    if manifest["vocabulary_fingerprint"] != vocabulary.fingerprint:
        raise ValueError(
            f"Received a vocabulary of {len(vocabulary)} pieces with the fingerprint "
            f"{vocabulary.fingerprint[:12]}. Expected that of the records, of "
            f"{manifest['vocabulary_size']} pieces with the fingerprint "
            f"{manifest['vocabulary_fingerprint'][:12]}: use it, or write the records "
            "again with create_pretraining_data."
        )


def check_casing(manifest: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Raises ValueError if the records were made with another casing."""
    casing = vocabulary.lower_case, vocabulary.strip_accents
    if (manifest["lower_case"], manifest["strip_accents"]) != casing:
        raise ValueError(
            f"Received lower_case={casing[0]} and strip_accents={casing[1]}. Expected "
            f"lower_case={manifest['lower_case']} and "
            f"strip_accents={manifest['strip_accents']}, as in the records: use these "
            "options, or write the records again with create_pretraining_data."
        )


def record_files(
    output_dir: str, split: str = "train", skip_corrupt: bool = False
) -> list[str]:
    """Returns the files of one split, `"train"` or `"heldout"`, from the manifest.

    With `skip_corrupt`, missing files are skipped, and damaged ones are accepted.

    Raises:
        ValueError: the folder has no such split, or a file is missing or does not have
            the size in the manifest.
        FileNotFoundError: the folder has no manifest.
    """
    manifest = read_manifest(output_dir)
    if not skip_corrupt:
        require_shards(output_dir, manifest)
    names = [shard["name"] for shard in _shards(manifest, split)]
    if not names:
        raise ValueError(
            f"{output_dir} has no records of the split {split!r}. Expected 'train', or "
            "'heldout' if the records were written with --holdout_fraction."
        )
    paths = [posixpath.join(output_dir, name) for name in names]
    return [path for path in paths if tf.io.gfile.exists(path)]


def lost_records(output_dir: str, split: str = "train") -> dict[str, tuple[int, int]]:
    """Reads all files; returns unreadable and total records of each damaged one.

    A damaged record makes the rest of its file unreadable.
    """
    found = {}
    for shard in _shards(read_manifest(output_dir), split):
        path = posixpath.join(output_dir, shard["name"])
        count = 0
        if tf.io.gfile.exists(path):
            records = tf.data.TFRecordDataset(path).ignore_errors()
            count = int(records.reduce(tf.constant(0), lambda total, _: total + 1))
        if count < shard["records"]:
            found[path] = (shard["records"] - count, shard["records"])
    return found


def _shards(manifest: dict[str, Any], split: str) -> list[dict[str, Any]]:
    return [s for s in manifest["shards"] if s["name"].startswith(f"{split}-")]


def require_shards(output_dir: str, manifest: dict[str, Any]) -> None:
    """Raises ValueError if a file is missing or has another size."""
    for shard in manifest["shards"]:
        path = posixpath.join(output_dir, shard["name"])
        size = tf.io.gfile.stat(path).length if tf.io.gfile.exists(path) else None
        if size != shard["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes"
            raise ValueError(
                f"{path} {found}. Expected {shard['bytes']} bytes: restore the file, "
                f"remove {output_dir} and write the records again, or pre-train with "
                "--skip_corrupt_records."
            )
