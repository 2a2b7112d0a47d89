"""Workload A in Python: the fast tokenizer with offsets, and the tokens of both entities found through them."""
import time

import common

parser = common.arguments(__doc__)
args = parser.parse_args()
common.set_threads(args.threads)

from transformers import AutoTokenizer  # noqa: E402 (after the threads are set)


def entity_tokens(encoded, row: int, spans: list[list[int]]) -> list[list[int] | None]:
    """First and behind-last token of each entity; None where truncation removed either end."""
    found = []
    for start, end in spans:
        first = encoded.char_to_token(row, start, sequence_index=1)
        last = encoded.char_to_token(row, end - 1, sequence_index=1)
        found.append(None if first is None or last is None else [first, last + 1])
    return found


def encode(tokenizer, rows):
    encoded = tokenizer([row["first"] for row in rows], [row["sentence"] for row in rows], truncation=True,
                        max_length=args.max_length, return_offsets_mapping=True)
    return encoded, [entity_tokens(encoded, at, row["entities"]) for at, row in enumerate(rows)]


def main() -> None:
    rows = common.read_rows(args.rows)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        encoded, spans = encode(tokenizer, rows)
        seconds.append(time.perf_counter() - began)
    # The work is only the same where the results are.
    equal_ids = sum(ids == row["ids"] for ids, row in zip(encoded["input_ids"], rows))
    equal_spans = sum(found == row["entity_tokens"] for found, row in zip(spans, rows))
    common.report(workload="encode", rows=len(rows), seconds=seconds[0], seconds_warm=seconds[1],
                  tokens=sum(map(len, encoded["input_ids"])), equal_ids=equal_ids, equal_spans=equal_spans)


main()
