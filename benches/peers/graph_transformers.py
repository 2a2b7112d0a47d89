"""Workload J in `transformers`: texts to mentions to relations, as a careful user would write it.

The tagger's windows of a batch are sorted by length and padded to the longest; of all sequences of tags the most probable
valid one is taken. Then each ordered pair of mentions is written with its markers, and the rows are classified in batches
that are sorted alike.
"""
import contextlib
import json
import time
from pathlib import Path

import common

parser = common.arguments(__doc__)
parser.add_argument("--tagger", type=Path, required=True, help="folder of a token classifier with BIO tags")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--out", type=Path, required=True, help="file for the graphs, one JSON object a line")
args = parser.parse_args()
common.set_threads(args.threads)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import (AutoModelForSequenceClassification, AutoModelForTokenClassification,  # noqa: E402
                          AutoTokenizer)

from inference import classify, pad  # noqa: E402


class Tags:
    """Tags in the BIO scheme, and which may follow which."""

    def __init__(self, names: dict[int, str]):
        self.names = [names[number] for number in range(len(names))]
        starts = np.array([name.startswith("I-") for name in self.names])
        self.first = np.where(starts, -np.inf, 0.0)
        self.step = np.zeros((len(names), len(names)))
        for before, name in enumerate(self.names):
            for after, other in enumerate(self.names):
                if other.startswith("I-") and name[2:] != other[2:]:
                    self.step[before, after] = -np.inf

    def decode(self, scores: np.ndarray) -> list[int]:
        """The most probable valid sequence (Viterbi)."""
        best, ways = scores[0] + self.first, []
        for row in scores[1:]:
            reached = best[:, None] + self.step
            ways.append(reached.argmax(axis=0))
            best = reached.max(axis=0) + row
        found = [int(best.argmax())]
        for way in reversed(ways):
            found.append(int(way[found[-1]]))
        return found[::-1]


def tag(tokenizer, model, tags: Tags, texts: list[str]) -> list[list[tuple[int, int, str]]]:
    """Start, end and type of each mention, in characters."""
    encoded = tokenizer(texts, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    mentions = [[] for _ in texts]
    order = sorted(range(len(texts)), key=lambda text: len(ids[text]))
    for start in range(0, len(order), args.batch):
        group = order[start:start + args.batch]
        batch = pad([ids[text] for text in group], [[0] * len(ids[text]) for text in group], tokenizer.pad_token_id)
        logits = model(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.float()
        for text, scores in zip(group, torch.log_softmax(logits, dim=-1).numpy()):
            mentions[text] = spans(tags, scores, offsets[text], texts[text])
    return mentions


def spans(tags: Tags, scores: np.ndarray, offsets: list, text: str) -> list[tuple[int, int, str]]:
    # Special tokens and marks of white space have no characters of their own.
    units = [token for token, (start, end) in enumerate(offsets) if text[start:end].strip()]
    if not units:
        return []
    found, before = [], "O"
    for token, number in zip(units, tags.decode(scores[units])):
        name, (start, end) = tags.names[number], offsets[token]
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if name.startswith("I-") and before[2:] == name[2:]:
            found[-1] = (found[-1][0], end, name[2:])
        elif name != "O":
            found.append((start, end, name[2:]))
        before = name
    return found


def marked(text: str, subject: tuple, object_: tuple) -> str:
    """The text with `@ * TYPE * subject @` and `# ^ TYPE ^ object #`."""
    first, second = sorted([(subject, "@", "*"), (object_, "#", "^")])
    parts, at = [], 0
    for (start, end, kind), outer, inner in [first, second]:
        parts += [text[at:start], f"{outer} {inner} {kind} {inner} ", text[start:end], f" {outer}"]
        at = end
    return "".join([*parts, text[at:]])


def main() -> None:
    torch.set_num_threads(args.threads)
    texts = [json.loads(line)["text"] for line in open(args.rows, encoding="utf-8")]
    tokenizer = AutoTokenizer.from_pretrained(args.tagger)
    tagger = AutoModelForTokenClassification.from_pretrained(args.tagger).eval()
    pair_tokenizer = AutoTokenizer.from_pretrained(args.model)
    classifier = AutoModelForSequenceClassification.from_pretrained(args.model).eval()
    tags, names = Tags(tagger.config.id2label), classifier.config.id2label
    reduced = torch.autocast("cpu", torch.bfloat16) if args.precision == "bf16" else contextlib.nullcontext()

    def logits(batch):
        return classifier(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.float().numpy()

    def graphs(texts: list[str]) -> list[dict]:
        mentions = tag(tokenizer, tagger, tags, texts)
        pairs = [(text, subject, object_) for text, found in enumerate(mentions)
                 for subject in range(len(found)) for object_ in range(len(found)) if subject != object_]
        rows = [{"first": None, "sentence": marked(texts[text], mentions[text][subject], mentions[text][object_])}
                for text, subject, object_ in pairs]
        found = [{"mentions": mentions[text], "pairs": 0, "relations": []} for text in range(len(texts))]
        for (text, subject, object_), number in zip(pairs, classify(pair_tokenizer, logits, rows, args) if rows else []):
            found[text]["pairs"] += 1
            if names[number] != "no_relation":
                found[text]["relations"].append([subject, object_, names[number]])
        return found

    with torch.inference_mode(), reduced:
        graphs(texts[:32])
        began = time.perf_counter()
        found = graphs(texts)
        seconds = time.perf_counter() - began
    with open(args.out, "w", encoding="utf-8") as out:
        for graph in found:
            out.write(json.dumps(graph | {"relations": sorted(graph["relations"])}, ensure_ascii=False) + "\n")
    common.report(workload="graph", rows=len(texts), pairs=sum(graph["pairs"] for graph in found), seconds=seconds,
                  graphs=str(args.out))


main()
