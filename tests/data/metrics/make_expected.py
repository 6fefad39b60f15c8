"""Writes expected.csv: pytrec_eval's means over 1,000 random runs that metrics_test.cc makes again.

Needs pytrec_eval (PyPI pytrec-eval-terrier). Both sides draw from SplitMix64 in the order below; the runs
have ties (scores are drawn from few values, some of them equal only as floats), gaps (queries without
judgements or without a run), negative and zero judgements, documents without judgement, and queries with nothing relevant.
"""
import csv
import os

import pytrec_eval

MASK = (1 << 64) - 1


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n


def case(seed):
    random = SplitMix64(seed)
    qrels, run = {}, {}
    for q in range(1 + random.below(6)):
        pool = 1 + random.below(180)
        levels = 1 + random.below(40)
        judged, ranked = {}, {}
        for d in range(pool):
            name = "d%d" % d
            if random.below(4) == 0:
                judged[name] = random.below(5) - 1
            if random.below(5) != 0:
                # 1e-9 is lost in a float: a tie for trec_eval
                ranked[name] = random.below(levels) * 0.25 + random.below(2) * 1e-9 - 3.0
        kind = random.below(8)
        if kind != 0 and judged:
            qrels["q%d" % q] = judged
        if kind != 1 and ranked:
            run["q%d" % q] = ranked
    return qrels, run


def means(qrels, run):
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "map", "P.10"})
    values = list(evaluator.evaluate(run).values())
    if not values:
        return [0] * 5
    import numpy

    cut = {}
    for q, documents in run.items():
        order = sorted(documents, key=lambda d: (float(numpy.float32(documents[d])), d), reverse=True)[:10]
        cut[q] = {d: documents[d] for d in order}
    first = list(pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut).values())
    names = ["ndcg_cut_10", "recall_100", "map", "recip_rank", "P_10"]
    rows = [dict(a, **b) for a, b in zip(values, first)]
    return [sum(row[name] for row in rows) / len(rows) for name in names]


here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "expected.csv"), "w", newline="") as out:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["ndcg@10", "recall@100", "map", "mrr@10", "p@10"])
    for seed in range(1000):
        writer.writerow(["%.7g" % v for v in means(*case(seed))])
