"""Writes the models that training begins with: folders in Hugging Face layout with a head of random weights.

e5      the stand-in encoder with its pretrained weights and a head that tells its states apart
mbert   the shape of bert-base-multilingual-cased, random weights, the real vocabulary
xlmr    the shape of xlm-roberta-large, random weights, the stand-in's tokenizer (it is XLM-R's)
tiny    the embedded default, random weights

NAME-still is the same folder without dropout. A folder that is complete is left as it is.
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import (AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertConfig,
                          BertTokenizerFast, XLMRobertaConfig)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("names", nargs="+", choices=["e5", "mbert", "xlmr", "tiny"])
parser.add_argument("--out", type=Path, required=True, help="where the folders go")
parser.add_argument("--e5", type=Path, help="what make_e5_small.py wrote")
parser.add_argument("--sentences", type=Path, help="train.tsv, to scale the head of e5 by")
parser.add_argument("--vocabulary", type=Path, help="vocab.txt of bert-base-multilingual-cased")
parser.add_argument("--tiny", type=Path, help="fixtures/embedded/model")
parser.add_argument("--classes", type=int, default=42)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

DROPOUT = ["hidden_dropout_prob", "attention_probs_dropout_prob"]


def copy_tokenizer(source: Path, folder: Path) -> None:
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]:
        if (source / file).exists():
            shutil.copy(source / file, folder / file)


def from_config(config, folder: Path):
    config.num_labels = args.classes
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)


def e5(folder: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(args.e5, num_labels=args.classes).eval()
    spread_pooler(model, AutoTokenizer.from_pretrained(args.e5))
    model.save_pretrained(folder)
    copy_tokenizer(args.e5, folder)


@torch.inference_mode()
def spread_pooler(model, tokenizer) -> None:
    """Centres and scales what the pooler gives for some sentences. The encoder's first state barely varies between
    inputs: behind an ordinary random pooler training would stay at the most frequent class, and equal labels in
    prediction would say nothing."""
    sentences = [line.split("\t")[1] for line in args.sentences.read_text(encoding="utf-8").splitlines()[:256]]
    batch = tokenizer(sentences, padding=True, truncation=True, max_length=100, return_tensors="pt")
    states = model.bert(**batch).last_hidden_state[:, 0]
    dense = model.bert.pooler.dense
    dense.weight /= ((states - states.mean(0)) @ dense.weight.T).std()
    dense.bias.copy_(-dense.weight @ states.mean(0))


def mbert(folder: Path) -> None:
    # As published: BertConfig's defaults are the base shape.
    from_config(BertConfig(vocab_size=119547), folder)
    shutil.copy(args.vocabulary, folder / "vocab.txt")
    BertTokenizerFast.from_pretrained(folder, do_lower_case=False).save_pretrained(folder)


def xlmr(folder: Path) -> None:
    config = XLMRobertaConfig(vocab_size=250002, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
                              intermediate_size=4096, max_position_embeddings=514, type_vocab_size=1,
                              layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    from_config(config, folder)
    copy_tokenizer(args.e5, folder)


def tiny(folder: Path) -> None:
    from_config(AutoConfig.from_pretrained(args.tiny), folder)
    copy_tokenizer(args.tiny, folder)


def without_dropout(source: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in source.iterdir():
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config | dict.fromkeys(DROPOUT, 0.0), indent=2))


def main() -> None:
    for name in args.names:
        folder, partial = args.out / name, args.out / f"{name}.part"
        if not folder.exists():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            torch.manual_seed(args.seed)
            {"e5": e5, "mbert": mbert, "xlmr": xlmr, "tiny": tiny}[name](partial)
            partial.rename(folder)
        without_dropout(folder, args.out / f"{name}-still")


main()
