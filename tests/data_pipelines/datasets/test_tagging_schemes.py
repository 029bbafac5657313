import pytest

from data_pipelines.datasets.tagging_schemes import Scheme, find_scheme


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
    converted = Scheme().to_iob2(tags.split())
    assert converted == tuple(expected.split())
    assert Scheme().to_iob2(converted) == converted


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        (Scheme("B"), "O B I B I I O I", "O B-T I-T B-T I-T I-T O B-T"),
        (Scheme("B"), "B M E S", "B-T I-T I-T B-T"),
        (Scheme("B_PER"), "B_A I_A O S_A", "B-A I-A O B-A"),
        (Scheme("b-PER", "o"), "b-a i-a o", "B-a I-a O"),
        (Scheme("PER-B"), "A-B A-I O B-E", "B-A I-A O B-B"),
        (Scheme("PER_B", "0"), "0 A_I A_I", "O B-A I-A"),
        (Scheme("B-PER", "_"), "_ B-A I-A", "O B-A I-A"),
        (Scheme("(PER*)"), "* (A* * *) (B) (B) *", "O B-A I-A I-A B-B B-B O"),
        # The outer one of nested ones.
        (Scheme("(PER*)"), "(A(B*) *) (A(B)) *", "B-A I-A B-A O"),
    ],
)
def test_other_spellings(scheme, tags, expected):
    converted = Scheme.to_iob2(scheme, tags.split())
    assert converted == tuple(expected.replace("-T", "-ENTITY").split())


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B", "B-", "o", "", "b-PER", "B_PER"])
def test_tags_of_no_scheme(tag):
    with pytest.raises(ValueError, match=r"Received the tag .* Expected 'O', or a tag"):
        Scheme().to_iob2(["O", tag])


@pytest.mark.parametrize("tags", ["(A* B", "*)", "(A* *) *)"])
def test_brackets_that_do_not_close(tags):
    with pytest.raises(ValueError, match="Received the tag"):
        Scheme("(PER*)").to_iob2(tags.split())


USUAL = Scheme()


@pytest.mark.parametrize(
    ("tags", "expected", "odd"),
    [
        ("O B-PER I-PER", USUAL, ""),
        ("S-LOC", USUAL, ""),
        ("o B-PER", Scheme("B-PER", "o"), ""),
        ("0 I-PER", Scheme("B-PER", "0"), ""),
        ("_ B-PER", Scheme("B-PER", "_"), ""),
        ("o b-per i-per", Scheme("b-PER", "o"), ""),
        ("O B_PER I_PER", Scheme("B_PER"), ""),
        ("O PER-B PER-I", Scheme("PER-B"), ""),
        ("O PER_B LOC_I", Scheme("PER_B"), ""),
        ("O B I", Scheme("B"), ""),
        ("O I", Scheme("B"), ""),
        ("B I", Scheme("B"), ""),
        ("B M E S", Scheme("B"), ""),
        ("* (PER* *) (ORG)", Scheme("(PER*)"), ""),
        # It is not clear.
        ("B-PER NOUN", USUAL, "NOUN"),
        ("O B-PER -", USUAL, "-"),
        ("O B-PER _", USUAL, "_"),
        ("O B-PER ''", USUAL, "''"),
        ("O B-PER o", USUAL, "o"),
        ("O B-PER 0", USUAL, "0"),
        ("O B-PER B-", USUAL, "B-"),
        ("O B-PER B_PER", USUAL, "B_PER"),
        ("O B-PER B", USUAL, "B"),
        ("O B-PER PER LOC ORG", USUAL, "PER LOC ORG"),
        ("O B I X", Scheme("B"), "X"),
        # Others.
        ("O", None, ""),
        ("", None, ""),
        ("NOUN O", None, ""),
        ("NN|SYM -X- . '' `` : ( )", None, ""),
        ("N O ^ S Z V A R ! D P & T X # @ ~ U E $ , G L M Y", None, ""),
        ("U--------- N------1R F--------- VIIA-3MS-- I---------", None, ""),
        ("_ NN_S VB JJ IN", None, ""),
        ("Case=Nom|Number=Sing _ Mood=Ind", None, ""),
        ("B NN VB JJ", None, ""),
        ("1 2 0", None, ""),
    ],
)
def test_find_scheme(tags, expected, odd):
    assert find_scheme(tags.split()) == (expected, set(odd.split()))
