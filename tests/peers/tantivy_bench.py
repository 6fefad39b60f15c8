"""Speed of Tantivy (package tantivy), for `weir bench search --peer tantivy`.

usage: tantivy_bench.py

Reads one JSON object a line and answers each with one line: {"add": "terms of a passage"} and
{"query": "terms of a query"} keep them (terms are cut at spaces, as Weir's analyser left them);
{"run": true} runs all queries, any term may match, top 10, and prints the mean microseconds. The
index lies in memory in one segment, with positions; queries are built before the clock starts.
"""

import json
import sys
import time

import tantivy


def main():
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", stored=False, tokenizer_name="whitespace",
                           index_option="position")
    schema = builder.build()
    index = tantivy.Index(schema)
    writer = index.writer(heap_size=500_000_000, num_threads=1)
    texts = []
    queries = []
    searcher = None
    for line in sys.stdin:
        request = json.loads(line)
        if "add" in request:
            writer.add_document(tantivy.Document(body=request["add"]))
            print("ok", flush=True)
        elif "query" in request:
            texts.append(request["query"])
            print("ok", flush=True)
        else:
            if searcher is None:
                writer.commit()
                writer.wait_merging_threads()
                index.reload()
                searcher = index.searcher()
                for text in texts:
                    terms = [(tantivy.Occur.Should,
                              tantivy.Query.term_query(schema, "body", term))
                             for term in dict.fromkeys(text.split(" "))]
                    queries.append(tantivy.Query.boolean_query(terms))
            found = 0
            start = time.perf_counter()
            for query in queries:
                found += len(searcher.search(query, 10, count=False).hits)
            took = time.perf_counter() - start
            if found == 0:
                sys.exit("tantivy_bench: no query found anything")
            print(f"{took / len(queries) * 1e6:.3f}", flush=True)


if __name__ == "__main__":
    main()
