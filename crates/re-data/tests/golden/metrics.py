"""Prints the expected numbers of ../metrics.rs as scikit-learn has them (made with 1.9.1)."""
import json, numpy as np, sklearn
from sklearn.metrics import f1_score, precision_recall_curve, auc, accuracy_score, precision_recall_fscore_support, confusion_matrix
def lcg(seed):
    x = seed
    while True:
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        yield x >> 33
g = lcg(1); n, c = 200, 6
gold = [next(g) % 5 for _ in range(n)]          # class 5 never occurs
probs = np.zeros((n, c), dtype=np.float32)
for i in range(n):
    w = [1 + next(g) % 8 for _ in range(c)]     # small integers: many ties
    w[gold[i]] += 4
    probs[i] = np.array([np.float32(x) / np.float32(64) for x in w])
pred = probs.argmax(1)
score = []
for k in range(c):
    p, r, _ = precision_recall_curve((np.array(gold) == k).astype(int), probs[:, k])
    score.append(auc(r, p))
print(sklearn.__version__)
print("auprc", repr(float(np.mean(score))), score)
print("acc", accuracy_score(gold, pred), "micro", f1_score(gold, pred, labels=[1,2,3,4,5], average="micro"), "macro", f1_score(gold, pred, average="macro"))
print("per", [ [float(x) for x in a] for a in precision_recall_fscore_support(gold, pred, labels=range(c), zero_division=0)])
print("conf", confusion_matrix(gold, pred, labels=range(c)).tolist())
