"""Writes model.onnx and model-int8.onnx for predict_onnx.py: exported, fused for BERT, dynamically quantised."""
import argparse
from pathlib import Path

import torch
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model
from transformers import AutoModelForSequenceClassification

import common

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

NAMES = ["input_ids", "attention_mask", "token_type_ids"]


class Logits(torch.nn.Module):
    """The model with its inputs by position."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def main() -> None:
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    plain, fused, int8 = (args.out / name for name in ["plain.onnx", "model.onnx", "model-int8.onnx"])
    # The exporter's patterns and the fusion know attention that is written out.
    model = AutoModelForSequenceClassification.from_pretrained(args.model, attn_implementation="eager").eval()
    ids = torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {name: {0: "rows", 1: "tokens"} for name in NAMES} | {"logits": {0: "rows"}}
    with torch.inference_mode():
        torch.onnx.export(Logits(model), (ids, mask, torch.zeros_like(ids)), str(plain), input_names=NAMES,
                          output_names=["logits"], dynamic_axes=axes, opset_version=17, dynamo=False)
    optimized = optimize_model(str(plain), model_type="bert", num_heads=model.config.num_attention_heads,
                               hidden_size=model.config.hidden_size)
    print(optimized.get_fused_operator_statistics())
    optimized.save_model_to_file(str(fused), use_external_data_format=False)
    # Shape inference does not know the fused operators.
    quantize_dynamic(str(fused), str(int8), weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": TensorProto.FLOAT})
    plain.unlink()
    common.report(workload="export")


main()
