"""Pre-trains `BertForMaskedLM` of transformers within a budget.

    python -m benchmarks.quality.hugging_face --input_files='text/train-*.jsonl' \\
        --output_dir=models/hugging_face --budget=5m

The usual recipe: text in blocks of 128 tokens, masks drawn anew for each batch by its
collator, 15 %, AdamW, warm-up and linear decay, bfloat16 by autocast. The learning rate
follows the time instead of the steps, so that it ends at 0 on any machine.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

from benchmarks.peers import hugging_face_config
from benchmarks.quality import side
from benchmarks.quality.side import SideOptions
from data_pipelines.programs import cli

# Seconds that are kept for writing the model.
_RESERVE = 3.0
_WARMUP_SHARE = 0.1


def main(options: SideOptions) -> None:
    """Trains the model, and writes it."""
    budget = options.start()
    os.makedirs(options.output_dir, exist_ok=True)
    import torch
    import transformers

    with budget.stage("vocabulary"):
        options.learned_vocabulary()
    path = os.path.join(options.output_dir, "vocab.txt")
    tokenizer = transformers.BertTokenizerFast(path)
    torch.manual_seed(options.seed)
    config = hugging_face_config(side.mini_config())
    model = transformers.BertForMaskedLM(config)
    collate = transformers.DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=side.MASKED_SHARE
    )
    # As in run_mlm.py: no decay of biases and norms.
    plain = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": plain, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
    )
    began, end, steps = budget.used, budget.seconds - _RESERVE, 0
    model.train()
    for blocks in _batches(_blocks(options, tokenizer)):
        done = (budget.used - began) / (end - began)
        if not 0 <= done < 1:
            break
        rate = min(done / _WARMUP_SHARE, (1 - done) / (1 - _WARMUP_SHARE))
        for group in optimizer.param_groups:
            group["lr"] = side.LEARNING_RATE * rate
        batch = collate([{"input_ids": block} for block in blocks])
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
        if steps % 100 == 0:
            print(f"{budget.used:5.0f} s  step {steps}  loss {loss.item():.3f}")
    if not steps:
        raise budget.too_short(budget.used)
    folder = os.path.join(options.output_dir, side.PEER_MODEL)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # Its head computes logits for all tokens, not for the masked ones alone.
    side.write_training(options.output_dir, steps, side.SEQUENCE_LENGTH)


def _blocks(options: SideOptions, tokenizer: Any) -> Iterator[list[int]]:
    """Yields blocks of tokens, each with the special tokens around it."""
    size, rest = side.SEQUENCE_LENGTH - 2, []
    for text in options.documents():
        rest += tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        for first in range(0, len(rest) - size + 1, size):
            block = rest[first : first + size]
            yield [tokenizer.cls_token_id, *block, tokenizer.sep_token_id]
        rest = rest[len(rest) - len(rest) % size :]


def _batches(blocks: Iterator[list[int]]) -> Iterator[list[list[int]]]:
    """Yields batches; the blocks of several documents are mixed."""
    draw, pool = random.Random(0), []
    for block in blocks:
        pool.append(block)
        if len(pool) == 64 * side.BATCH_SIZE:
            draw.shuffle(pool)
            for first in range(0, len(pool), side.BATCH_SIZE):
                yield pool[first : first + side.BATCH_SIZE]
            pool = []


if __name__ == "__main__":
    cli.run(SideOptions, main, __doc__)
