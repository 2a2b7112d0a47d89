"""Workload E in ONNX Runtime: the model that export_onnx.py wrote, rows sorted by length as for transformers."""
import time
from pathlib import Path

import common

parser = common.arguments(__doc__)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--onnx", type=Path, required=True, help="the exported file")
parser.add_argument("--out", type=Path, required=True, help="file for the class of each row")
args = parser.parse_args()
common.set_threads(args.threads)

import onnxruntime  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

from inference import classify, write_classes  # noqa: E402


def main() -> None:
    rows = common.read_rows(args.rows)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(args.onnx), options, providers=["CPUExecutionProvider"])
    known = {entry.name for entry in session.get_inputs()}

    def logits(batch):
        return session.run(["logits"], {name: array for name, array in batch.items() if name in known})[0]

    classify(tokenizer, logits, rows[:64], args)
    began = time.perf_counter()
    classes = classify(tokenizer, logits, rows, args)
    seconds = time.perf_counter() - began
    write_classes(args.out, classes)
    common.report(workload="predict", rows=len(rows), seconds=seconds, labels=str(args.out))


main()
