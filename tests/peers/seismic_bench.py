"""Speed of Seismic (package pyseismic-lsr), for `weir bench search --sparse-peer seismic`.

usage: seismic_bench.py [POSTINGS [CUT [HEAP_FACTOR [NEIGHBOURS]]]]

Reads one JSON object a line and answers each with one line: {"add": "term:weight ..."} and
{"query": "term:weight ..."} keep the vectors; {"run": true} runs all queries, top 10, on one thread
and prints the mean microseconds; {"hits": ""} prints what they found, the numbers of the vectors as
they were added, queries separated by semicolons. Centroid fraction .1, summary energy .4; the
defaults of the rest found .969 of the exact top 10 on 20,000 passages. The bytes of the index and
the time of a query of one term (an upper bound of what the binding costs) go to stderr.
"""

import json
import os
import struct
import sys
import tempfile
import time

import numpy
from seismic import SeismicIndexRaw


def vector(text):
    pairs = [entry.split(":") for entry in text.split()]
    return (numpy.array([int(t) for t, _ in pairs], dtype=numpy.int32),
            numpy.array([float(w) for _, w in pairs], dtype=numpy.float32))


def build(vectors, postings, neighbours):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vectors.bin")
        with open(path, "wb") as out:
            out.write(struct.pack("<I", len(vectors)))
            for terms, weights in vectors:
                out.write(struct.pack("<I", len(terms)))
                out.write(terms.astype("<u4").tobytes() + weights.astype("<f4").tobytes())
        index = SeismicIndexRaw.build(path, n_postings=postings, centroid_fraction=0.1,
                                      min_cluster_size=2, summary_energy=0.4, nknn=neighbours)
        index.save(os.path.join(folder, "saved"))
        size = sum(entry.stat().st_size for entry in os.scandir(folder)
                   if entry.name.startswith("saved"))
    print(f"seismic: {len(vectors)} vectors, {size / 1e6:.1f} MB saved", file=sys.stderr)
    return index


def main():
    given = sys.argv[1:]
    postings = int(given[0]) if given else 1000
    cut = int(given[1]) if len(given) > 1 else 5
    heap_factor = float(given[2]) if len(given) > 2 else 0.8
    neighbours = int(given[3]) if len(given) > 3 else 10
    # The library writes its progress to standard output, which is for answers only.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    vectors, queries, index = [], [], None
    for line in sys.stdin:
        request = json.loads(line)
        if "add" in request or "query" in request:
            kind = "add" if "add" in request else "query"
            (vectors if kind == "add" else queries).append(vector(request[kind]))
            print("ok", file=answers, flush=True)
            continue
        if index is None:
            index = build(vectors, postings, neighbours)
            start = time.perf_counter()
            for terms, weights in queries:
                index.search(terms[:1], weights[:1], 1, 1, 1.0, 0, True)
            each = (time.perf_counter() - start) / len(queries) * 1e6
            print(f"seismic: a query of one term takes {each:.1f} us", file=sys.stderr)
        if "hits" in request:
            hits = [index.search(terms, weights, 10, cut, heap_factor, neighbours, True)
                    for terms, weights in queries]
            print(";".join(" ".join(str(int(hit[-1])) for hit in of_query) for of_query in hits),
                  file=answers, flush=True)
            continue
        found = 0
        start = time.perf_counter()
        for terms, weights in queries:
            found += len(index.search(terms, weights, 10, cut, heap_factor, neighbours, True))
        took = time.perf_counter() - start
        if found == 0:
            sys.exit("seismic_bench: no query found anything")
        print(f"{took / len(queries) * 1e6:.3f}", file=answers, flush=True)


if __name__ == "__main__":
    main()
