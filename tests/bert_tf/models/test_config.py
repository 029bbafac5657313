import json

import pytest

from bert_tf.models.config import PRESETS, BertConfig, preset

# Layers, hidden size, heads: Devlin et al. 2018, section 3; Turc et al. 2019, table 1.
SIZES = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_sizes_of_its_paper(name):
    layers, hidden, heads = SIZES[name]
    assert preset(name, 30522) == BertConfig(
        vocab_size=30522,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        max_position_embeddings=512,
    )


def test_reads_googles_file(tmp_path):
    # bert_config.json of uncased_L-12_H-768_A-12.
    path = tmp_path / "bert_config.json"
    path.write_text(
        """{
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02,
        "intermediate_size": 3072, "max_position_embeddings": 512,
        "num_attention_heads": 12, "num_hidden_layers": 12, "type_vocab_size": 2,
        "vocab_size": 30522}"""
    )
    assert BertConfig.from_file(str(path)) == preset("base", 30522, hidden_act="gelu")


def test_round_trip(tmp_path):
    config = preset("mini", 100, norm_position="pre", embedding_size=32)
    path = tmp_path / "bert_config.json"
    path.write_text(config.to_json())
    assert BertConfig.from_file(str(path)) == config


def test_max_sequence_length():
    assert preset("tiny", 9).max_sequence_length == 512
    assert preset("tiny", 9, position_offset=2).max_sequence_length == 510


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers=-1"),
        ({"num_hidden_layers": 0}, "pooler=True in .* Expected False without layers"),
        ({"type_vocab_size": -1}, "type_vocab_size=-1"),
        ({"position_offset": -1}, "position_offset=-1"),
        ({"num_attention_heads": 7}, "a divisor of hidden_size=768"),
        ({"hidden_act": "swish"}, "hidden_act='swish'"),
        ({"position_embeddings": "random"}, "position_embeddings='random'"),
        ({"norm_position": "middle"}, "norm_position='middle'"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob=1.0"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps=nan"),
        ({"initializer_range": float("inf")}, "initializer_range=inf"),
        (
            {
                "hidden_size": 9,
                "num_attention_heads": 3,
                "position_embeddings": "rotary",
            },
            "heads of an even width",
        ),
    ],
)
def test_wrong_values(changes, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**{"vocab_size": 10, **changes})


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"preset='huge'. Expected one of \['tiny'"):
        preset("huge", 10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a BERT config"),
        ("[1]", "is not a BERT config"),
        ('{"hidden_size": 8}', "without vocab_size"),
        (
            '{"vocab_size": 8, "hiden_size": 8}',
            r"unknown config fields \['hiden_size'\]",
        ),
        ('{"vocab_size": "many"}', "is not a BERT config"),
    ],
)
def test_broken_files(tmp_path, content, message):
    path = tmp_path / "bert_config.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        BertConfig.from_file(str(path))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no model config"):
        BertConfig.from_file(str(tmp_path / "bert_config.json"))


def test_json_has_the_names_of_google():
    assert json.loads(preset("base", 30522).to_json())["num_hidden_layers"] == 12
