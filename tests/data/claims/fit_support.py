"""Fits the verifier's logistic on the features that `weir eval claims --features FILE` writes.

Usage: fit_support.py FILE [INTERCEPT LEXICAL COSINE]     needs numpy

Claims whose id ends in an even digit fit; the others report, for the fitted weights and for those on
the command line (default: the hand-set ones). Positives are the support pairs, negatives the sentences
of the same and of another document; contradictions are reported only, because what tells them apart is
not in the two features. Both classes weigh the same. Newton's method from zero, no random number.
The threshold is the least at which at most 5% of each negative kind pass in the even half. The last
lines are fitted minus given on the odd claims, with the 95% interval of 2,000 resamplings of claims.
"""
import json
import sys

import numpy as np

KINDS = ["support", "contradict", "same document", "other document"]


def logistic(weights, x):
    return 1 / (1 + np.exp(-(x @ weights)))


def fit(x, y):
    share = np.where(y == 1, 0.5 / np.mean(y == 1), 0.5 / np.mean(y == 0))
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = logistic(weights, x)
        step = np.linalg.solve((x * (share * p * (1 - p))[:, None]).T @ x, x.T @ (share * (y - p)))
        weights += step
        if np.max(np.abs(step)) < 1e-12:
            return weights
    sys.exit("the fit does not converge")


def area(positives, negatives):
    d = positives[:, None] - negatives[None, :]
    return np.mean((d > 0) + 0.5 * (d == 0))


def loss(p, y):
    balanced = [-np.mean(np.log(p[y == 1])), -np.mean(np.log(1 - p[y == 0]))]
    return np.mean(balanced)


def strict_threshold(p, exact, kind):
    best = 0
    for name in KINDS[2:]:
        values = np.sort(p[(kind == name) & exact])[::-1]
        allowed = np.sum(kind == name) // 20
        if len(values) > allowed:
            best = max(best, np.nextafter(values[allowed], 2))
    return best


def odd_figures(p, threshold, kind, exact, take):
    """AUC against the three kinds, then the share of each kind that is accepted; `take` are pair numbers."""
    p, kind, exact = p[take], kind[take], exact[take]
    areas = [area(p[kind == KINDS[0]], p[kind == k]) for k in KINDS[1:]]
    return areas + [np.mean((exact & (p >= threshold))[kind == k]) for k in KINDS]


def compare(results, kind, exact, odd, query):
    figures = lambda take: np.subtract(*[odd_figures(p, t, kind, exact, take) for p, t in results[::-1]])
    pairs_of = [np.flatnonzero(odd & (query == q)) for q in sorted(set(query[odd]))]
    random = np.random.default_rng(0)
    resampled = [figures(np.concatenate([pairs_of[i] for i in random.integers(len(pairs_of), size=len(pairs_of))]))
                 for _ in range(2000)]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    names = [f"AUC against {k}" for k in KINDS[1:]] + [f"accepted of {k}" for k in KINDS]
    print("\nfitted minus given, odd claims:")
    for name, value, a, b in zip(names, figures(np.flatnonzero(odd)), low, high):
        print(f"  {name:27} {value:+.3f}  [{a:+.3f}, {b:+.3f}]")


def main():
    rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    x = np.array([[1, r["lexical"], r["cosine"]] for r in rows])
    kind = np.array([r["kind"] for r in rows])
    exact = np.array([r["numbers"] and r["names"] and r["polarity"] for r in rows])
    even = np.array([int(r["query"][-1]) % 2 == 0 for r in rows])
    y = (kind == "support").astype(int)
    used = kind != "contradict"
    given = np.array([float(v) for v in sys.argv[2:5]] or [-5.2, 4.6, 4.4])
    fitted = fit(x[even & used], y[even & used])
    print(f"{len(set(r['query'] for r in rows))} claims, {np.sum(even)} even and {np.sum(~even)} odd pairs")
    results = []
    for name, weights in [("given", given), ("fitted", fitted)]:
        p = logistic(weights, x)
        threshold = strict_threshold(p[even], exact[even], kind[even])
        results.append((p, threshold))
        print(f"\n{name}: intercept {weights[0]:.3f} lexical {weights[1]:.3f} cosine {weights[2]:.3f}; "
              f"5% of the even negatives pass at {threshold:.4f}\n"
              f"odd claims: log loss {loss(p[~even & used], y[~even & used]):.4f}")
        for k in KINDS:
            here = ~even & (kind == k)
            shares = [np.mean(exact[here] & (p[here] >= t)) for t in (0.5, threshold)]
            auc = "" if k == KINDS[0] else f"; AUC {area(p[~even & (y == 1)], p[here]):.3f}"
            print(f"  {k:15} {np.sum(here):4} pairs; accepted at .5: {shares[0]:.3f}, at the threshold: "
                  f"{shares[1]:.3f}{auc}")
    scale = np.c_[np.ones(len(rows)), x @ given]  # the given weights, moved and stretched only
    p = logistic(fit(scale[even & used], y[even & used]), scale)
    print(f"\ngiven, only scale and shift fitted: log loss of odd claims {loss(p[~even & used], y[~even & used]):.4f}")
    compare(results, kind, exact, ~even, np.array([r["query"] for r in rows]))


if __name__ == "__main__":
    main()
