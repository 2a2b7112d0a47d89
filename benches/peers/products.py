"""Rates of libtorch's matrix products at the sizes of an encoder, GFLOP/s: python products.py [fp32|bf16] ROWS WIDTH INNER.

Forward as `mm`, on weights in oneDNN's layout, and with laying them out counted; both products of the backward pass.
"""
import sys
import time

import torch

torch.set_num_threads(2)
kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[sys.argv[1]]
rows, width, inner = map(int, sys.argv[2:5])
pack, multiply = torch.ops.mkldnn._reorder_linear_weight, torch.ops.mkldnn._linear_pointwise
for source, target in ((width, 3 * width), (width, width), (width, inner), (inner, width)):
    x, w, gradient = (torch.randn(*size, dtype=kind) for size in ((rows, source), (target, source), (rows, target)))
    packed = pack(w, rows)
    products = {
        "mm": lambda: torch.mm(x, w.t()),
        "packed": lambda: multiply(x, packed, None, "none", [], ""),
        "packing counted": lambda: multiply(x, pack(w, rows), None, "none", [], ""),
        "of inputs": lambda: torch.mm(gradient, w),
        "of weights": lambda: torch.mm(gradient.t(), x),
    }
    best = dict.fromkeys(products, float("inf"))
    for _ in range(5):
        for name, product in products.items():
            product()
            began = time.perf_counter()
            for _ in range(6):
                product()
            best[name] = min(best[name], (time.perf_counter() - began) / 6)
    print(source, target, {name: round(2 * rows * source * target / time / 1e9) for name, time in best.items()})
