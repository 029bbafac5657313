"""Splits documents into chunks, so that memory does not grow with the corpus."""

import hashlib
from collections.abc import Iterable, Iterator

_CHUNK_CHARACTERS = 1 << 18
_BATCH_CHARACTERS = 1 << 19


def batches_of_text(
    documents: Iterable[str],
) -> Iterator[list[tuple[bytes, int, bool]]]:
    """Splits documents into chunks, and groups the chunks into batches.

    `["One. Two.", "Three."]` becomes the one batch `[(b"One. Two.", 871…, True),
    (b"Three.", -512…, True)]`.

    Yields:
        Lists of about half a million characters. Each entry has the text (UTF-8), the
        id of its document, and whether it is the first chunk of the document. A
        document of more than a quarter of a million characters has several entries, in
        order, split at the last empty line, else line end, else space. The id is a hash
        of the document: the same on every machine, and for two copies of a document.
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
