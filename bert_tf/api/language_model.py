"""A language model: pre-trained on texts, asked for masked words and vectors."""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from bert_tf.api import corpus, folders
from bert_tf.api.folders import Dtype, ModelFolder, Path, policy_of
from bert_tf.api.inputs import read_inputs, read_texts
from bert_tf.api.predictions import Attention, Guess
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import PRETRAINING, Description, SentenceVector
from bert_tf.checkpoints.model_dir import Checkpoint, LoadedModel
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.models import families
from bert_tf.models.config import BertConfig
from bert_tf.models.objectives import OBJECTIVES
from bert_tf.optim.warmed_up import warmed_up_adamw
from bert_tf.prediction.answers import answer_texts
from bert_tf.prediction.likelihood import log_likelihoods, minimal_pair_scores
from bert_tf.prediction.text_vectors import Vectors, make_vectorizer
from bert_tf.pretraining import data, initial_model, model_config
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.serving.pretrained import TextModel, similarity_of
from bert_tf.training.keras_fit import FitModel
from bert_tf.training.seeds import initial_weights
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.minimal_pairs import read_minimal_pairs
from data_pipelines.programs import cli
from data_pipelines.tokenizers.tokenizer import Tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

Preset = Literal["tiny", "mini", "small", "medium", "base", "large"]

_SEQUENCE_LENGTH = 128


class LanguageModel(ModelFolder):
    """A pre-trained model, or one that `fit` pre-trains.

    Args:
        source: a folder of any format that `bert_tf.convert` reads. None: `fit` learns
            a vocabulary and trains a new model.
        preset, family: size and architecture of a new model; see `bert_tf.pretrain`.
        vocab_size: the number of pieces of a new vocabulary. None: 8,192, or as many
            as the texts yield.
        sequence_length: tokens of the rows that `fit` trains on. None: 128, or as many
            as the model allows.
        dtype: the dtype of the computation; the weights stay float32.
        seed: the seed of the weights, the order, the masks and the dropout.
        config: fields of the `BertConfig` of a new model, such as `initializer_range`:
            narrow models learn faster from larger initial weights than BERT's 0.02.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the model is broken, or fine-tuned for a task.

    Example:

    >>> texts = ["The cat sat on the mat. It slept.", "The dog lay on the rug. It ran."]
    >>> model = bert_tf.LanguageModel(preset="tiny", sequence_length=32)
    >>> history = model.fit(texts * 8, batch_size=4, epochs=2, verbose=0)
    >>> len(model.fill_mask(["The [MASK] sat on the mat."])[0][0])
    5
    >>> model.encode(texts).shape
    (2, 128)
    """

    def __init__(
        self,
        source: Path | None = None,
        *,
        preset: Preset = "mini",
        family: families.Name = "bert",
        vocab_size: int | None = None,
        sequence_length: int | None = None,
        dtype: Dtype = "float32",
        seed: int = 0,
        **config: Any,
    ) -> None:
        self._policy, self._seed = policy_of(dtype), seed
        self._source = None if source is None else str(source)
        self._preset, self._family = preset, family
        self._vocab_size, self._sequence_length = vocab_size, sequence_length
        self._config = config
        self._compiled: dict[str, Any] = {}
        self._loaded: LoadedModel | None = None
        self._text_model = functools.cache(self._new_text_model)
        BertConfig.from_dict({"vocab_size": 1, **config})  # Its fields exist.
        if source is not None and config:
            raise ValueError(
                f"Received {sorted(config)} for the model {source}. Expected them for "
                "a new model alone: leave them out."
            )
        if source is not None:
            checkpoint = folders.read(source)
            if checkpoint.description.kind != PRETRAINING:
                raise ValueError(
                    f"{source} is a model of the kind {checkpoint.description.kind}. "
                    "Expected a pre-trained one: bert_tf.load reads both."
                )
            self._loaded = folders.make(checkpoint, self._policy)

    @property
    def keras_model(self) -> Any:
        """The `keras.Model` below: batches of ids in, logits out."""
        return self._known.model

    @property
    def tokenizer(self) -> Tokenizer:
        """Cuts texts into the pieces of the vocabulary."""
        return self._known.tokenizer

    @property
    def _known(self) -> LoadedModel:
        if self._loaded is None:
            raise ValueError(
                "This LanguageModel is new and not trained. Expected fit(texts) first, "
                'or LanguageModel("folder") of a trained one.'
            )
        return self._loaded

    def compile(
        self,
        optimizer: Any = None,
        *,
        learning_rate: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Chooses how `fit` trains; it need not be called.

        Args:
            optimizer: any of Keras. None: AdamW whose rate rises for a tenth of the
                steps of each `fit` and then falls to 0.
            learning_rate: the peak, if there is no optimizer. None: the paper's, for
                models of the size base; small ones learn faster with 1e-3.
            kwargs: others of `keras.Model.compile`, but for a loss.
        """
        self._compiled = {"optimizer": optimizer, "learning_rate": learning_rate}
        self._compiled |= kwargs

    def fit(
        self,
        x: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        steps_per_epoch: int | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Pre-trains on texts: a new model from the start, a loaded one further.

        Args:
            x: texts, each a document, in a list, a column or a `tf.data.Dataset`. They
                have to fit into memory; for more there is `python -m bert_tf.pretrain`.
            batch_size: rows of a step.
            epochs: passes through the texts, whose masks are new each time.
            verbose, callbacks: see Keras.
            validation_split: share of the texts, the last ones, to validate on.
            validation_data: texts to validate on.
            steps_per_epoch: None: as many as one pass takes, estimated by the number of
                tokens.
            kwargs: others of `keras.Model.fit`.

        Returns:
            The history of losses and metrics.

        Raises:
            ValueError: there is nothing to train on.
        """
        cli.require_positive(batch_size=batch_size, epochs=epochs)
        inputs, heldout = read_inputs(x), None
        if validation_split:
            inputs, heldout = inputs.split(validation_split)
        elif validation_data is not None:
            heldout = read_inputs(validation_data)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            file = corpus.write_texts(folder / "train.jsonl", inputs.x)
            options = self._options(file, batch_size)
            vocabulary = self._vocabulary_of(file, options)
            records = corpus.records_of(
                file, vocabulary, folder / "records", self._seed
            )
            rows = options.rows(self._row_length)
            sentences = data.possible_sentences(records, vocabulary, rows, False)
            options = dataclasses.replace(options, sentences=sentences)
            self._make(options, vocabulary)
            config = self.keras_model.encoder.config
            model_config.check_row_length(config, self._row_length)
            steps_per_epoch = steps_per_epoch or corpus.steps_of_an_epoch(
                records, self._row_length, batch_size
            )
            total = steps_per_epoch * epochs
            (phase,) = data.training_phases(
                records,
                vocabulary,
                [(total, options.rows(self._row_length))],
                config,
                batch_size=batch_size,
                seed=self._seed,
            )
            train = phase.batches(0, 1, 0)
            if heldout is not None:
                batches = self._heldout(heldout.x, options, folder)
                kwargs["validation_data"] = batches
            fit_model = self._ready(options, train, total)
            return fit_model.fit(
                train,
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                verbose=verbose,
                callbacks=list(callbacks or ()),
                shuffle=False,  # The batches are in an order of their own already.
                **kwargs,
            )

    def evaluate(self, x: Any, batch_size: int = 32) -> dict[str, float]:
        """The loss and the metrics of pre-training on texts."""
        with tempfile.TemporaryDirectory() as temporary:
            options = self._options("", batch_size)
            texts = read_inputs(x).x
            batches = self._heldout(texts, options, pathlib.Path(temporary))
            fit_model = self._fit_model(options, batches)
            fit_model.compile(None)
            return fit_model.evaluate(batches, verbose=0, return_dict=True)

    def log_likelihoods(self, x: Any, batch_size: int = 256) -> np.ndarray:
        """The log-likelihoods of texts, in nats: how well the model expects them.

        Of a masked model these are pseudo-log-likelihoods (Salazar et al. 2020): each
        token is masked in turn. Those of texts of other lengths are not comparable.

        Args:
            x: texts that fit the model as a whole.
            batch_size: rows that are run at once.

        Returns:
            float64 (texts,).
        """
        texts = read_texts(x)
        return log_likelihoods(self._known, texts, batch_size=batch_size)

    def evaluate_minimal_pairs(
        self, data_dir: Path, max_pairs: int | None = None, batch_size: int = 256
    ) -> dict[str, float]:
        """The accuracy on minimal pairs of sentences, such as those of BLiMP.

        Args:
            data_dir: a folder of BLiMP's files; other sets in its format work, too.
            max_pairs: the first pairs of each set; None: all.
            batch_size: rows that are run at once.

        Returns:
            `accuracy`, and that of each field, phenomenon and set.
        """
        pairs = read_minimal_pairs(str(data_dir), max_pairs)
        return minimal_pair_scores(self._known, pairs, batch_size)

    def fill_mask(self, x: Any, top_k: int = 5) -> list[list[list[Guess]]]:
        """Guesses for each `[MASK]` in texts.

        Args:
            x: texts.
            top_k: the number of guesses for a mask.

        Returns:
            For each text and each of its masks the guesses, best first.
        """
        return [
            [
                [Guess(*guess) for guess in zip(*mask, strict=True)]
                for mask in zip(answer["tokens"], answer["probabilities"], strict=True)
            ]
            for answer in self._answers("fill_mask", x, top_k=top_k)
        ]

    def generate(self, x: Any, num_tokens: int = 32) -> list[str]:
        """Continues texts by the most probable pieces.

        Args:
            x: texts.
            num_tokens: the number of pieces that are added at most.

        Raises:
            ValueError: the model is not causal, or too short for `num_tokens`.
        """
        answers = self._answers("generate", x, num_tokens=num_tokens)
        return [answer["continuations"] for answer in answers]

    def encode(
        self,
        x: Any,
        vectors: Vectors | Literal["sentence"] = "sentence",
        *,
        features: str = "last",
        prompt_name: str | None = None,
        batch_size: int = 64,
    ) -> Any:
        """Vectors of texts.

        Args:
            x: texts.
            vectors: "sentence": the vector that the model was trained to give, or else
                the mean over all tokens, of length 1. "mean", "cls", "pooled" or
                "tokens": see `TextVectorizer`.
            features: the layer, see `layers_of`.
            prompt_name: name of a prompt that is put before each text, if the model has
                some.
            batch_size: texts that are run at once.

        Returns:
            float32 (texts, width); with "tokens" a list of arrays (tokens, width).
        """
        texts = read_texts(x)
        known, normalize = self._known, False
        if vectors == "sentence" and known.description.sentence_vector is None:
            vectors, normalize = "mean", True
        vectorizer = make_vectorizer(
            known,
            vectors,
            features,
            prompt_name=prompt_name,
            batch_size=batch_size,
        )
        vectorizer.normalize |= normalize
        examples = (
            TextExample(str(place), text, None, None)
            for place, text in enumerate(texts)
        )
        found = [row.vectors for row in vectorizer.vectorize(examples)]
        if vectors == "tokens":
            return found
        return np.stack(found) if found else np.zeros((0, vectorizer.width), np.float32)

    def similarity(self, x: Any, y: Any = None) -> np.ndarray:
        """Similarities of the `encode` vectors of texts.

        Args:
            x: texts.
            y: other texts; None: those of x.

        Returns:
            float32 (texts of x, texts of y): cosines, from -1 to 1, or what the model
            was trained for, see `SentenceVector`.
        """
        first = self.encode(x)
        second = first if y is None else self.encode(y)
        sentence = self._known.description.sentence_vector
        name = "cosine" if sentence is None else sentence.similarity
        rows = [similarity_of(row[None], second, name).numpy() for row in first]
        return np.stack(rows) if rows else np.zeros((0, len(second)), np.float32)

    def attention(self, x: Any, layer: int, head: int) -> list[Attention]:
        """The attention of each token to each other in one head of one layer.

        Args:
            x: texts.
            layer: from 1, the first block.
            head: from 1.

        Raises:
            ValueError: there is no such layer or head.
        """
        config = self.keras_model.encoder.config
        most = config.num_hidden_layers, config.num_attention_heads
        if not (1 <= layer <= most[0] and 1 <= head <= most[1]):
            raise ValueError(
                f"Received layer={layer}, head={head}. Expected a layer from 1 to "
                f"{most[0]} and a head from 1 to {most[1]}."
            )
        found = []
        for answer in self._answers("attention", x, (layer, head)):
            tokens = [token.decode("utf-8", "replace") for token in answer["tokens"]]
            tokens = [token for token in tokens if token]
            weights = np.array(answer["attention"], np.float32)
            found.append(Attention(tokens, weights[: len(tokens), : len(tokens)]))
        return found

    def __repr__(self) -> str:
        if self._loaded is None:
            return f"LanguageModel(preset={self._preset!r}, not fitted)"
        config = self._loaded.model.encoder.config
        return (
            f"LanguageModel({self._source!r}, {config.num_hidden_layers} layers of "
            f"{config.hidden_size}, {len(self._loaded.vocabulary):,} pieces)"
        )

    def _answers(
        self, name: str, x: Any, places: Sequence[int] = (), **numbers: int
    ) -> Iterator[dict[str, Any]]:
        """The answers of an endpoint to each text, as `bert_tf.predict` has them."""
        texts = read_texts(x)
        signatures = self._text_model(**numbers).signatures()
        return answer_texts(signatures, name, texts, numbers=places)

    def _new_text_model(self, **numbers: Any) -> TextModel:
        known = self._known
        sentence: SentenceVector | None = known.description.sentence_vector
        return TextModel(
            known.model, known.tokenizer, sentence_vector=sentence, **numbers
        )

    def _options(self, file: str, batch_size: int) -> PretrainOptions:
        """The options of `bert_tf.pretrain` that train the same."""
        objective: Any = None
        sentences: Any = None
        if self._loaded is not None:
            description = self._loaded.description
            objective = description.objective
            sentences = description.sentence_task or "full_sentences"
        return PretrainOptions(
            output_dir="",
            input_files=(file,),
            holdout_fraction=0.0,
            family=self._family,
            preset=self._preset,
            objective=objective,
            sentences=sentences,
            sequence_length=self._row_length,
            batch_size=batch_size,
            seed=self._seed,
        )

    def _vocabulary_of(self, file: str, options: PretrainOptions) -> Vocabulary:
        if self._loaded is not None:
            return self._loaded.vocabulary
        tokenizer = options.recipe.tokenizer
        return corpus.learned_vocabulary(file, self._vocab_size, tokenizer)

    def _make(self, options: PretrainOptions, vocabulary: Vocabulary) -> None:
        recipe = options.recipe
        if self._loaded is not None:
            if not self._loaded.description.has_mlm_head:
                self._add_head(recipe)
            return
        config = model_config.pretraining_config(options, vocabulary)
        config = BertConfig.from_dict({**config.to_dict(), **self._config})
        description = Description(
            PRETRAINING, recipe.sentence_task, objective=recipe.objective
        )
        with initial_weights(self._seed):
            model = model_dir.make_model(config, description, self._policy)
        self._loaded = LoadedModel(model, vocabulary, description)

    def _add_head(self, recipe: families.Recipe) -> None:
        """Gives a loaded encoder the head that it is pre-trained with."""
        known = self._known
        description = initial_model.description_for(known.description, recipe)
        config = known.model.encoder.config
        with initial_weights(self._seed):
            model = model_dir.make_model(config, description, self._policy)
        weights = Tensors.of(model_dir.weights_of(known.model))
        origin = Checkpoint(config, known.vocabulary, description, weights)
        initial_model.assign_weights(model, origin, str(self._source), print)
        self._loaded = LoadedModel(model, known.vocabulary, description)

    def _heldout(
        self, texts: Sequence[Any], options: PretrainOptions, folder: pathlib.Path
    ) -> tf.data.Dataset:
        file = corpus.write_texts(folder / "heldout.jsonl", texts)
        vocabulary, length = self._known.vocabulary, self._row_length
        records = corpus.records_of(file, vocabulary, folder / "heldout", self._seed)
        size = options.recipe.batch_size
        return corpus.heldout_batches(records, vocabulary, options.rows(length), size)

    @property
    def _row_length(self) -> int:
        """Tokens of the rows: those that were chosen, or as many as fit, up to 128."""
        if self._sequence_length is not None or self._loaded is None:
            return self._sequence_length or _SEQUENCE_LENGTH
        most = self._loaded.model.encoder.config.max_sequence_length
        return min(_SEQUENCE_LENGTH, most)

    def _fit_model(
        self, options: PretrainOptions, batches: tf.data.Dataset
    ) -> FitModel:
        recipe = options.recipe
        has_task = recipe.sentence_task is not None
        objective = OBJECTIVES[recipe.objective].loss(has_task)
        names = list(objective.weights(next(iter(batches))))
        return FitModel(self.keras_model, objective, names, seed=self._seed)

    def _ready(
        self, options: PretrainOptions, batches: tf.data.Dataset, num_steps: int
    ) -> FitModel:
        """The model that `fit` trains, compiled."""
        recipe, compiled = options.recipe, dict(self._compiled)
        fit_model = self._fit_model(options, batches)
        peak = compiled.pop("learning_rate", None) or recipe.learning_rate
        optimizer = compiled.pop("optimizer", None)
        if optimizer is None:
            optimizer = warmed_up_adamw(peak, num_steps, beta_2=recipe.beta_2)
        fit_model.compile(optimizer, **compiled)
        self._text_model.cache_clear()
        return fit_model

    def _record(self) -> dict[str, Any]:
        return {
            "source": self._source,
            "preset": self._preset,
            "family": self._family,
            "seed": self._seed,
        }
