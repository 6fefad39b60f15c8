"""Speed of faiss, hnswlib or usearch on files of vectors, for `weir bench search --vectors`.

usage: dense_bench.py VECTORS QUERIES ROWS DIMENSIONS faiss|hnswlib|usearch

Builds with two threads, searches with one, one query a call. Answers a line on stdin with
"setting p50-us recall@10 build-s MB" for each setting, joined by semicolons. Calls pass through
Python; an index of 20 vectors takes faiss 5 us so, hnswlib 2, usearch 11.
"""

import sys
import time

import numpy as np

TOP = 10


def measure(name, build, size, queries, truth, one, passes=3):
    best = None
    for _ in range(passes):
        times, hits = [], 0
        for q, want in zip(queries, truth):
            start = time.perf_counter()
            found = one(q[None, :])
            times.append(time.perf_counter() - start)
            hits += len(want & set(np.asarray(found).ravel()[:TOP].tolist()))
        p50 = float(np.median(times)) * 1e6
        best = p50 if best is None else min(best, p50)
    return f"{name} {best:.1f} {hits / (TOP * len(queries)):.4f} {build:.1f} {size:.1f}"


def faiss_settings(x, queries, truth):
    import faiss
    many = x.shape[0] > 200000
    names = ["PQ96x4fs,RFlat", "PQ192x4fs,RFlat", "HNSW16,Flat"]
    if many:
        names.append("IVF2048,PQ192x4fs,RFlat")
    for name in names:
        faiss.omp_set_num_threads(2)
        index = faiss.index_factory(x.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        if name.startswith("HNSW"):
            index.hnsw.efConstruction = 200
        start = time.perf_counter()
        index.train(x)
        index.add(x)
        build = time.perf_counter() - start
        size = faiss.serialize_index(index).nbytes / 1e6
        faiss.omp_set_num_threads(1)
        if name.startswith("HNSW"):
            for ef in (24, 48, 96, 128, 192, 384):
                index.hnsw.efSearch = ef
                yield measure(f"HNSW-ef{ef}", build, size, queries, truth,
                              lambda q: index.search(q, TOP)[1])
        elif name.startswith("IVF"):
            for probes in (16, 32, 64, 128, 256):
                faiss.extract_index_ivf(index).nprobe = probes
                index.k_factor = 8
                yield measure(f"IVF2048-PQ192-probe{probes}", build, size, queries,
                              truth, lambda q: index.search(q, TOP)[1])
        else:
            for factor in (4, 8, 16):
                index.k_factor = factor
                yield measure(f"{name.split(',')[0]}-k{factor}", build, size,
                              queries, truth, lambda q: index.search(q, TOP)[1])


def hnswlib_settings(x, queries, truth):
    import hnswlib
    index = hnswlib.Index(space="ip", dim=x.shape[1])
    index.init_index(max_elements=x.shape[0], M=16, ef_construction=200)
    start = time.perf_counter()
    index.add_items(x, num_threads=2)
    build = time.perf_counter() - start
    index.set_num_threads(1)
    for ef in (24, 48, 96, 128, 192, 384):
        index.set_ef(ef)
        yield measure(f"hnswlib-ef{ef}", build, index.index_file_size() / 1e6, queries,
                      truth, lambda q: index.knn_query(q, k=TOP, num_threads=1)[0])


def usearch_settings(x, queries, truth):
    from usearch.index import Index
    index = Index(ndim=x.shape[1], metric="ip", dtype="f32", connectivity=16, expansion_add=200)
    start = time.perf_counter()
    index.add(np.arange(x.shape[0]), x, threads=2)
    build = time.perf_counter() - start
    for ef in (24, 48, 96, 192, 384):
        index.expansion_search = ef
        yield measure(f"usearch-ef{ef}", build, index.serialized_length / 1e6, queries,
                      truth, lambda q: index.search(q[0], TOP, threads=1).keys)


def main():
    vectors, query_file, rows, dimensions, engine = sys.argv[1:6]
    d = int(dimensions)
    x = np.fromfile(vectors, dtype="<f4", count=int(rows) * d).reshape(-1, d)
    queries = np.fromfile(query_file, dtype="<f4").reshape(-1, d)
    truth = []
    for begin in range(0, len(queries), 100):
        scores = queries[begin:begin + 100] @ x.T
        for row in np.argpartition(-scores, TOP, axis=1)[:, :TOP]:
            truth.append(set(row.tolist()))
    settings = {"faiss": faiss_settings, "hnswlib": hnswlib_settings, "usearch": usearch_settings}
    for _ in sys.stdin:
        print(";".join(settings[engine](x, queries, truth)), flush=True)


if __name__ == "__main__":
    main()
