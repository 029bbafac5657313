"""The serialized model against the package sentencepiece."""

import pytest

from data_pipelines.tokenizers.sentencepiece_model import (
    Piece,
    charsmap_of,
    read_model,
    unigram_model,
)
from tests.data_pipelines.tokenizers.sentencepiece_vocabulary import (
    OTHER,
    learned_model,
)


def processor(model):
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs sentencepiece")
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def test_pieces_of_a_model():
    model = learned_model()
    theirs = processor(model)
    pieces, model_type = read_model(model, "a test")
    assert model_type == 1
    assert [piece.text for piece in pieces] == [
        theirs.id_to_piece(n) for n in range(theirs.vocab_size())
    ]
    assert [piece.score for piece in pieces] == [
        theirs.get_score(n) for n in range(theirs.vocab_size())
    ]
    assert [piece.type for piece in pieces[:4]] == [
        *("unknown", "control", "control"),
        "normal",
    ]


@pytest.mark.parametrize("normalization", ["nmt_nfkc", "identity"])
def test_a_model_made_of_its_pieces(normalization):
    model = learned_model(normalization=normalization)
    pieces, _ = read_model(model, "a test")
    made = unigram_model(pieces, charsmap_of(model))
    assert (charsmap_of(model) == b"") == (normalization == "identity")
    assert read_model(made, "a test")[0] == pieces
    assert charsmap_of(made) == charsmap_of(model)
    theirs, ours = processor(model), processor(made)
    for text in ("Hello  world", OTHER, "ﬁne ｆｕｌｌ　width ①", " a\tb ", ""):
        assert ours.encode(text) == theirs.encode(text)


@pytest.mark.parametrize(
    "content_of",
    [
        lambda: b"",
        lambda: b"no model",
        lambda: learned_model()[:5000],
        lambda: unigram_model([Piece("<unk>", 0.0, "unknown")], b"")[:-3],
    ],
)
def test_other_files_are_refused(content_of):
    content = content_of()
    with pytest.raises(ValueError, match=r"^x\.model .*copy it again"):
        read_model(content, "x.model")


def test_an_unknown_piece_is_needed():
    with pytest.raises(ValueError, match="unknown"):
        unigram_model([Piece("a", 0.0)], b"")
