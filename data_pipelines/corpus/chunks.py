"""Cuts documents into chunks, so that a corpus of any size needs little memory."""

import hashlib
from collections.abc import Iterable, Iterator

_CHUNK_CHARACTERS = 1 << 18
_BATCH_CHARACTERS = 1 << 19


def batches_of_text(
    documents: Iterable[str],
) -> Iterator[list[tuple[bytes, int, bool]]]:
    """Cuts documents into chunks, and collects these in batches.

    `["One. Two.", "Three."]` becomes the one batch `[(b"One. Two.", 871…, True),
    (b"Three.", -512…, True)]`.

    Yields:
        Lists of about half a million characters. Each entry has the text (UTF-8), the
        id of its document, and whether the document begins with it. A document longer
        than a quarter of a million characters has several entries, in order, cut at
        the last empty line, else line, else space. The id is a hash of the text:
        the same on every machine, and for two copies of one document.
    """
    batch: list[tuple[bytes, int, bool]] = []
    size = 0
    for document in documents:
        encoded = document.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(encoded, digest_size=8).digest()
        document_id = int.from_bytes(digest, "little", signed=True)
        start = 0
        while start < len(document):
            end = _chunk_end(document, start)
            text = document[start:end].encode("utf-8", "surrogatepass")
            batch.append((text, document_id, start == 0))
            size += end - start
            start = end
            if size >= _BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _chunk_end(document: str, start: int) -> int:
    end = start + _CHUNK_CHARACTERS
    if end >= len(document):
        return len(document)
    for border in ("\n\n", "\n", " "):
        found = document.rfind(border, start + _CHUNK_CHARACTERS // 2, end)
        if found >= 0:
            return found + len(border)
    return end
