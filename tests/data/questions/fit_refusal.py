"""Fits a judge's row of src/answer/models.cc on what `weir eval answers --features FILE` writes.

Usage: fit_refusal.py FILE     needs numpy

Logistic regression of answerable on missing names, the judge's log odds and the grounded draft:
signals standardised, L2 penalty 1, both classes weighed the same, Newton's method from zero. Prints
the area under the ROC curve and how many are refused wrongly when 80% are refused rightly, in
nine-fold cross-validation (mean over five orders, seeds 0 to 4), for subsets of the signals, then
the row as models.cc has it and what it refuses at 0.5.
"""
import json
import sys

import numpy as np

SIGNALS = {"names": 0, "judged": 1, "grounded": 2}


def fit(x, y, penalty=1.0):
    x = np.c_[np.ones(len(x)), x]
    share = np.where(y == 1, 0.5 / np.mean(y == 1), 0.5 / np.mean(y == 0))
    ridge = penalty * np.r_[1e-6, np.ones(x.shape[1] - 1)]
    weights = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-(x @ weights)))
        slope = x.T @ (share * (p - y)) + ridge * np.r_[0, weights[1:]]
        weights -= np.linalg.solve((x * (share * p * (1 - p))[:, None]).T @ x + np.diag(ridge),
                                   slope)
    return weights


def area(scores, y):
    yes, no = scores[y == 1][:, None], scores[y == 0][None]
    return float(np.mean((yes > no) + 0.5 * (yes == no)))


def validated(x, y, seed, folds=9):
    order = np.random.RandomState(seed).permutation(len(y))
    scores = np.zeros(len(y))
    for fold in range(folds):
        held = order[fold::folds]
        rest = np.setdiff1d(order, held)
        scores[held] = np.c_[np.ones(len(held)), x[held]] @ fit(x[rest], y[rest])
    return scores


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    y = np.array([r["answerable"] for r in records], float)
    x = np.array([[r["refusal"][3], r["judged"], r["refusal"][4]] for r in records])
    mean, spread = x.mean(0), x.std(0)
    z = (x - mean) / spread
    for names in (["judged"], ["grounded"], ["names", "judged"], ["judged", "grounded"],
                  ["names", "judged", "grounded"]):
        columns = [SIGNALS[name] for name in names]
        areas, wrongly = [], []
        for seed in range(5):
            scores = validated(z[:, columns], y, seed)
            refused = np.sort(scores[y == 0])[int(0.8 * np.sum(y == 0)) - 1]
            areas.append(area(scores, y))
            wrongly.append(np.sum(scores[y == 1] <= refused))
        print(f"{' + '.join(names):28s} AUC {np.mean(areas):.3f}, "
              f"wrongly refused at 80%: {np.mean(wrongly):.1f} of {int(y.sum())}")
    weights = fit(z, y)
    raw = weights[1:] / spread
    intercept = weights[0] - np.sum(raw * mean)
    scores = intercept + x @ raw
    print(f"row: {intercept:.3f}, {raw[0]:.3f}, {raw[1]:.3f}, {raw[2]:.3f}; refuses "
          f"{np.sum(scores[y == 0] < 0)} of {np.sum(y == 0)} rightly, "
          f"{np.sum(scores[y == 1] < 0)} of {np.sum(y == 1)} wrongly")


if __name__ == "__main__":
    main()
