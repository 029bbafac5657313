"""A folder of records as `create_pretraining_data` leaves it: manifest and shards."""

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
        with `name` and what `fingerprints` tells of it, the `vocabulary_fingerprint`
        and `vocabulary_size`; `counts` and `heldout_counts` (documents, parts,
        sentences, tokens, unknown_tokens, bytes); `reading`, the counts of the reader
        of the text; and `shards`, each with `name`, `records`, `tokens` and `bytes`.

    Raises:
        FileNotFoundError: there is no manifest, so the folder is not complete.
        ValueError: it is damaged or of another version of this program.
    """
    path = posixpath.join(output_dir, MANIFEST)
    if not exists(path):
        raise FileNotFoundError(
            f"There is no {path!r}. Expected a folder that create_pretraining_data "
            "has finished: run it (again)."
        )
    manifest = read_json(path)
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"{path} has the format {manifest.get('format')!r}, expected {FORMAT}: "
            "write the records again."
        )
    return with_later_options(manifest)


def with_later_options(plan: dict[str, Any]) -> dict[str, Any]:
    """The options that decided records, with those that were not written at first."""
    # Accents went with capital letters.
    plan = {"strip_accents": plan["lower_case"], "lines": "auto", **plan}
    return {**plan, "inputs": [_with_fingerprint(entry) for entry in plan["inputs"]]}


def _with_fingerprint(entry: dict[str, Any]) -> dict[str, Any]:
    """A source of text with its fingerprint, which was that of its first 64 KiB."""
    if "begins" not in entry:
        return entry
    name, size = entry["name"], entry["bytes"]
    read = min(size, 1 << 16)
    return {"name": name, "bytes": size, "read": read, "digest": entry["begins"]}


def check_vocabulary(manifest: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Raises ValueError if the records were made with another vocabulary."""
    if manifest["vocabulary_fingerprint"] != vocabulary.fingerprint:
        raise ValueError(
            "The records were made with another vocabulary: theirs has "
            f"{manifest['vocabulary_size']} pieces and the fingerprint "
            f"{manifest['vocabulary_fingerprint'][:12]}, received one with "
            f"{len(vocabulary)} pieces and {vocabulary.fingerprint[:12]}. Use theirs, "
            "or write the records again with create_pretraining_data."
        )


def check_casing(manifest: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Raises ValueError if the records were made with another casing."""
    casing = vocabulary.lower_case, vocabulary.strip_accents
    if (manifest["lower_case"], manifest["strip_accents"]) != casing:
        raise ValueError(
            f"The records were made with lower_case={manifest['lower_case']} and "
            f"strip_accents={manifest['strip_accents']}, received "
            f"lower_case={casing[0]} and strip_accents={casing[1]}. Use theirs, "
            "or write the records again with create_pretraining_data."
        )


def record_files(
    output_dir: str, split: str = "train", skip_corrupt: bool = False
) -> list[str]:
    """The files of one split, `"train"` or `"heldout"`, as the manifest names them.

    With `skip_corrupt` missing files are left out, and damaged ones are not refused.

    Raises:
        ValueError: the folder has no such split, or a file of it is missing or has
            another size than the manifest says.
        FileNotFoundError: the folder has no manifest.
    """
    manifest = read_manifest(output_dir)
    if not skip_corrupt:
        require_shards(output_dir, manifest)
    names = [shard["name"] for shard in _shards(manifest, split)]
    if not names:
        raise ValueError(
            f"{output_dir} has no records of the split {split!r}. Expected 'train', "
            "or 'heldout' if they were made with --holdout_fraction."
        )
    paths = [posixpath.join(output_dir, name) for name in names]
    return [path for path in paths if tf.io.gfile.exists(path)]


def lost_records(output_dir: str, split: str = "train") -> dict[str, tuple[int, int]]:
    """Counts the unreadable records, and all, of each damaged file, by reading it.

    What follows a damaged record in its file is lost with it.
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
    """Raises ValueError where a file is missing or of another size."""
    for shard in manifest["shards"]:
        path = posixpath.join(output_dir, shard["name"])
        size = tf.io.gfile.stat(path).length if tf.io.gfile.exists(path) else None
        if size != shard["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes"
            raise ValueError(
                f"{path} {found}, expected {shard['bytes']} bytes: restore it, remove "
                f"{output_dir} and write the records again, or pre-train with "
                "--skip_corrupt_records."
            )
