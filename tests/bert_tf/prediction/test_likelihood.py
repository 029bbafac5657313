"""Log-likelihoods of texts, beside a loop over tokens and beside transformers."""

import json

import numpy as np
import pytest

import bert_tf
from bert_tf import evaluate
from bert_tf.checkpoints import model_dir
from bert_tf.models.objectives import make_pretrainer
from bert_tf.prediction.likelihood import log_likelihoods, minimal_pair_scores
from data_pipelines.datasets.minimal_pairs import MinimalPair
from tests.bert_tf.small_models import VOCABULARY, randomize, small_config

TEXTS = [
    "the cat sat on the mat.",
    "a dog ran home",
    "the",
    "the dogs ran to, the mat.",
]


def member(objective="masked_lm", **changes):
    # More rows than pieces: the rest of the table must not get a share.
    config = small_config(vocab_size=len(VOCABULARY) + 3, **changes)
    model = make_pretrainer(objective, config, sentence_head=False)
    randomize(model)
    description = model_dir.Description(model_dir.PRETRAINING, objective=objective)
    return model_dir.LoadedModel(model, VOCABULARY, description)


def logits_at(loaded, ids, position):
    inputs = {
        "token_ids": np.array([ids], np.int32),
        "segment_ids": np.zeros((1, len(ids)), np.int32),
        "padding_mask": np.ones((1, len(ids)), bool),
        "mlm_positions": np.array([[position]], np.int32),
    }
    return np.asarray(loaded.model(inputs)["mlm"], np.float64)[0, 0, : len(VOCABULARY)]


def one_by_one(loaded, text, is_causal):
    pieces = loaded.tokenizer.tokenize([text]).to_list()[0]
    ids = [VOCABULARY.cls_id, *pieces, VOCABULARY.sep_id]
    total = 0.0
    for place in range(1, len(ids) - 1):
        row = list(ids)
        if not is_causal:
            row[place] = VOCABULARY.mask_id
        logits = logits_at(loaded, row, place - 1 if is_causal else place)
        shares = np.exp(logits - logits.max())
        total += np.log(shares[ids[place]] / shares.sum())
    return total


@pytest.mark.parametrize("batch_size", [1, 5, 256])
@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        ("masked_lm", {}),
        ("masked_lm", {"position_embeddings": "rotary", "norm_position": "pre"}),
        ("replaced_tokens", {}),
        ("next_token", {"causal": True}),
    ],
)
def test_equal_to_one_token_after_another(objective, changes, batch_size):
    loaded = member(objective, **changes)
    texts = [*TEXTS, TEXTS[0]]
    expected = [one_by_one(loaded, t, "causal" in changes) for t in texts]
    found = log_likelihoods(loaded, texts, batch_size=batch_size)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_scores_of_minimal_pairs():
    loaded = member()
    likely, unlikely = sorted(TEXTS[:2], key=lambda t: -one_by_one(loaded, t, False))
    pairs = [
        MinimalPair(good, bad, name, "p", "f")
        for name, good, bad in (
            ("right", likely, unlikely),
            ("wrong", unlikely, likely),
            ("tie", likely, likely),
        )
    ]
    scores = minimal_pair_scores(loaded, pairs)
    assert (scores["set/right"], scores["set/wrong"], scores["set/tie"]) == (1, 0, 0.5)
    assert scores["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", r"text 1 \(from 0\) with 0 tokens: ' '. Expected 1 to 22 tokens"),
        ("the " * 23, r"text 1 \(from 0\) with 23 tokens: 'the the.*Expected 1 to 22"),
    ],
)
def test_texts_that_cannot_be_scored(text, message):
    with pytest.raises(ValueError, match=message):
        log_likelihoods(member(), ["the cat", text])


def test_models_that_cannot_score():
    loaded = member()
    headless = model_dir.Description(model_dir.PRETRAINING, head={"mlm_head": False})
    with pytest.raises(ValueError, match="no language-model head"):
        log_likelihoods(
            model_dir.LoadedModel(loaded.model, VOCABULARY, headless), ["the cat"]
        )
    loaded.model.mlm_head.output_bias.assign(np.full(len(VOCABULARY) + 3, np.nan))
    with pytest.raises(ValueError, match="NaN or infinite"):
        log_likelihoods(loaded, ["the cat"])


@pytest.fixture
def folder(tmp_path):
    loaded = member()
    path = str(tmp_path / "model")
    model_dir.save(path, loaded.model, VOCABULARY, loaded.description, {})
    names = {"field": "syntax", "linguistics_term": "order", "UID": "word_order"}
    (tmp_path / "blimp").mkdir()
    with (tmp_path / "blimp" / "word_order.jsonl").open("w") as file:
        for good, bad in (("the cat sat", "cat the sat"), ("a dog ran", "dog a ran")):
            row = {"sentence_good": good, "sentence_bad": bad, **names}
            file.write(json.dumps(row) + "\n")
    return tmp_path


def test_the_verb_and_the_python_api(folder, capsys):
    options = evaluate.EvaluateOptions(
        model_dir=str(folder / "model"),
        dataset="blimp",
        data_dir=str(folder / "blimp"),
        output_dir=str(folder / "scores"),
    )
    evaluate.main(options)
    scores = json.loads((folder / "scores" / "metrics.json").read_text())
    assert list(scores) == [
        *("accuracy", "field/syntax", "phenomenon/order", "set/word_order"),
    ]
    printed = capsys.readouterr().out
    assert printed.startswith(f"accuracy {scores['accuracy']:.4f}\n")
    assert "report" not in printed
    model = bert_tf.load(folder / "model")
    assert model.evaluate_minimal_pairs(folder / "blimp") == scores
    first, second = model.log_likelihoods(["the cat sat", "cat the sat"])
    scores = model.evaluate_minimal_pairs(folder / "blimp", max_pairs=1)
    assert scores["accuracy"] == float(first > second)


def test_options_that_do_not_fit(folder):
    model = {"model_dir": str(folder / "model")}
    with pytest.raises(
        ValueError, match="Expected one of --records_dir and --dataset="
    ):
        evaluate.evaluate(evaluate.EvaluateOptions(**model, dataset="glue/sst2"))
    with pytest.raises(ValueError, match="Received max_pairs=1 with dataset=None"):
        evaluate.evaluate(
            evaluate.EvaluateOptions(**model, records_dir="records", max_pairs=1)
        )


def test_equal_to_transformers(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="needs torch, of requirements-peers.txt"
    )
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers, of requirements-peers.txt"
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=24,
        initializer_range=0.3,
    )
    peer = transformers.BertForMaskedLM(config).eval()
    peer.save_pretrained(tmp_path / "peer")
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.to_bytes())
    tokenizer = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
    tokenizer.save_pretrained(tmp_path / "peer")
    expected = []
    for text in TEXTS:
        ids = torch.tensor(tokenizer(text)["input_ids"])
        places = torch.arange(1, len(ids) - 1)
        rows = ids.repeat(len(places), 1)
        rows[torch.arange(len(places)), places] = tokenizer.mask_token_id
        with torch.no_grad():
            shares = peer(input_ids=rows).logits.log_softmax(-1)
        found = shares[torch.arange(len(places)), places, ids[places]]
        expected.append(found.double().sum().item())
    model = bert_tf.LanguageModel(tmp_path / "peer")
    np.testing.assert_allclose(model.log_likelihoods(TEXTS), expected, atol=1e-4)
