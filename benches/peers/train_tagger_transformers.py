"""Workload klue-ner: `transformers.Trainer` on a token classifier, with the encoder, steps and rows that ours has.

As in KLUE's own baseline a token has the tag of its first character, and what is found is written out character by character.
Batches are padded to their longest row and made of rows of similar length, the optimizer is fused, and the head has a
learning rate of its own, as ours has.
"""
import tempfile
import time
from pathlib import Path

import common

parser = common.arguments(__doc__)
parser.add_argument("--validation", type=Path, required=True)
parser.add_argument("--layers", type=int, required=True, help="first layers of the encoder that are used")
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--learning-rate", type=float, required=True)
parser.add_argument("--head-learning-rate", type=float, required=True)
parser.add_argument("--warmup-steps", type=int, required=True)
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--precision", choices=["fp32", "bf16"], required=True)
parser.add_argument("--out", type=Path, required=True, help="file for the tags of the characters")
args = parser.parse_args()
common.set_threads(args.threads)

import torch  # noqa: E402
from transformers import (AutoModelForTokenClassification, AutoTokenizer, DataCollatorForTokenClassification,  # noqa: E402
                          PrinterCallback, Trainer, TrainingArguments)

import klue_ner  # noqa: E402
from inference import pad  # noqa: E402


def features(tokenizer, sentences: list, numbers: dict[str, int]) -> list[dict]:
    rows = []
    for text, tags in sentences:
        encoded = tokenizer(text, truncation=True, max_length=args.max_length, return_offsets_mapping=True)
        labels = [-100] * len(encoded["input_ids"])
        for token, characters in enumerate(characters_of(encoded["offset_mapping"], text)):
            if characters:
                labels[token] = numbers[tags[characters[0]]]
        rows.append({"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": labels})
    return rows


def characters_of(offsets: list, text: str) -> list[list[int]]:
    """The characters of each token, without white space."""
    return [[at for at in range(start, end) if not text[at].isspace()] for start, end in offsets]


def tags_of(tokenizer, model, sentences: list, names: list[str]) -> list[list[str]]:
    texts = [text for text, _ in sentences]
    encoded = tokenizer(texts, truncation=True, max_length=args.max_length, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    found = [["O"] * len(text) for text in texts]
    order = sorted(range(len(texts)), key=lambda text: len(ids[text]))
    for start in range(0, len(order), args.batch):
        group = order[start:start + args.batch]
        batch = pad([ids[text] for text in group], [[0] * len(ids[text]) for text in group], tokenizer.pad_token_id)
        numbers = model(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.argmax(dim=-1)
        for text, row in zip(group, numbers.tolist()):
            for number, characters in zip(row, characters_of(offsets[text], texts[text])):
                for place, at in enumerate(characters):
                    name = names[number]
                    found[text][at] = f"I-{name[2:]}" if place and name.startswith("B-") else name
    return [klue_ner.through_spaces(text, tags) for text, tags in zip(texts, found)]


def main() -> None:
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    train, validation = klue_ner.read(args.rows), klue_ner.read(args.validation)
    names = sorted({tag for _, tags in train for tag in tags})
    numbers = {name: number for number, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForTokenClassification.from_pretrained(
        args.model, num_labels=len(names), num_hidden_layers=args.layers)
    head = list(model.classifier.parameters())
    own = {id(parameter) for parameter in head}
    encoder = [parameter for parameter in model.parameters() if id(parameter) not in own]
    optimizer = torch.optim.AdamW([{"params": encoder}, {"params": head, "lr": args.head_learning_rate}],
                                  lr=args.learning_rate, weight_decay=0.01, fused=True)
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(step / args.warmup_steps, (args.steps - step) / (args.steps - args.warmup_steps)))
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, use_cpu=True, max_steps=args.steps, per_device_train_batch_size=args.batch,
            max_grad_norm=1.0, seed=args.seed, bf16=args.precision == "bf16", train_sampling_strategy="group_by_length",
            save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True)
        trainer = Trainer(model, settings, DataCollatorForTokenClassification(tokenizer),
                          train_dataset=features(tokenizer, train, numbers), optimizers=(optimizer, falling))
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    model.eval()
    with torch.inference_mode():
        tags = tags_of(tokenizer, model, validation, names)
    seconds = time.perf_counter() - began
    klue_ner.write(args.out, [(text, found) for (text, _), found in zip(validation, tags)])
    common.report(workload="tagger", rows=args.steps * args.batch, seconds=seconds, tags=str(args.out))


main()
