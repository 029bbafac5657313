from data_pipelines.corpus import chunks
from tests.data_pipelines.pretraining.pretraining_data import text


def test_batches_of_text_lose_nothing(monkeypatch):
    monkeypatch.setattr(chunks, "_CHUNK_CHARACTERS", 40)
    monkeypatch.setattr(chunks, "_BATCH_CHARACTERS", 100)
    documents = [text(1, 20), "x" * 200, "", "é" * 10, text(1, 20)]
    batches = list(chunks.batches_of_text(documents))
    entries = [entry for batch in batches for entry in batch]
    assert len(batches) > 3
    assert all(len(piece.decode()) <= 40 for piece, _, _ in entries)
    assert b"".join(piece for piece, _, _ in entries).decode() == "".join(documents)
    assert sum(begins for _, _, begins in entries) == 4
    # Copies have one id, others their own.
    assert len({document_id for _, document_id, _ in entries}) == 3
    # Cut between words where there are some.
    assert all(piece.endswith(b" ") for piece, _, _ in entries[:5])
