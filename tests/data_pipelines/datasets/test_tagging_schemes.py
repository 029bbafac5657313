import pytest

from data_pipelines.datasets.tagging_schemes import are_entities, to_iob2


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # IOB1: B only between two entities of one type.
        ("I-A I-A O I-A B-A I-A I-B", "B-A I-A O B-A B-A I-A B-B"),
        # IOB2.
        ("B-A I-A B-A O B-B I-B", "B-A I-A B-A O B-B I-B"),
        # BIOES, BILOU, BMES.
        ("B-A I-A E-A S-A O S-B B-B E-B", "B-A I-A I-A B-A O B-B B-B I-B"),
        ("B-A I-A L-A U-A O U-B B-B L-B", "B-A I-A I-A B-A O B-B B-B I-B"),
        ("B-A M-A E-A S-A O", "B-A I-A I-A B-A O"),
        # Invalid, as conlleval sees them.
        ("O I-A", "O B-A"),
        ("B-A I-B", "B-A B-B"),
        ("B-A I-A I-B I-A", "B-A I-A B-B B-A"),
        ("E-A E-A", "B-A B-A"),
        ("O E-A I-A", "O B-A B-A"),
        ("S-A I-A", "B-A B-A"),
        ("I-A-B I-A", "B-A-B B-A"),
        ("", ""),
        ("O", "O"),
    ],
)
def test_to_iob2(tags, expected):
    converted = to_iob2(tags.split())
    assert converted == tuple(expected.split())
    assert to_iob2(converted) == converted


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B", "B-", "o", "", "b-PER", "B_PER"])
def test_tags_of_no_scheme(tag):
    with pytest.raises(ValueError, match=r"Received the tag .* Expected 'O', or a tag"):
        to_iob2(["O", tag])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-PER I-PER", True),
        ("S-LOC", True),
        ("O", False),
        ("", False),
        ("NOUN O", False),
        ("B-PER NOUN", False),
        ("NN|SYM -X- .", False),
    ],
)
def test_are_entities(tags, expected):
    assert are_entities(tags.split()) is expected
