// Technique: bm25
// Source: Robertson et al., "Okapi at TREC-3", 1994; the form of Lucene's BM25Similarity (Kamphuis
//   et al., "Which BM25 do you mean?", ECIR 2020, row "Lucene (accurate)")
// Idea: A rare term counts more than a frequent one; repeating a term counts less each time; long
//   passages are damped. Lengths are exact, on request those of Lucene's byte.
// Formulas: idf = ln(1 + (N - df + 0.5) / (df + 0.5)); score = sum over terms of
//   weight * idf * f / (f + k1 * (1 - b + b * length / mean_length))
// Cost: one division a posting.
// Differs: the constant factor (k1 + 1) is left out, as Lucene does since version 8; it changes no
//   order. Statistics are those of the whole store with deleted passages taken out, so a score does
//   not depend on how passages are spread over segments, nor on when segments are merged.
// Checked by: search_test (against exhaustive scoring).   Measured by: lexical_speed_test
//   (WEIR_DATA).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/options.h"

namespace weir::index {

struct Bm25Options {
  double k1 = 0.9;
  double b = 0.4;
  std::string lengths = "exact";
  template <class V> void Visit(V& v) {
    v(k1, {.name = "bm25-k1",
           .help = "How soon repeating a term stops to count.",
           .min = 0.01,
           .max = 10});
    v(b,
      {.name = "bm25-b", .help = "How much the length of a passage counts.", .min = 0, .max = 1});
    v(lengths, {.name = "bm25-lengths",
                .help = "Lengths as they are, or as Lucene and Tantivy store them in a byte.",
                .choices = {"exact", "byte"}});
  }
};

// Of the live passages of a whole store.
struct CollectionStatistics {
  int64_t documents = 0;  // passages, in our words
  int64_t tokens = 0;
};

inline double Bm25Idf(int64_t documents, int64_t document_frequency) {
  return std::log(1 + (static_cast<double>(documents - document_frequency) + 0.5) /
                          (static_cast<double>(document_frequency) + 0.5));
}

// A length as Lucene's norms keep it (SmallFloat.intToByte4): exact below 40, then four significant
// bits of what passes 24, rounded down.
inline uint32_t ByteLength(uint32_t length) {
  if (length < 40) return length;
  const uint32_t more = length - 24;
  const int shift = std::bit_width(more) - 4;
  return 24 + (more >> shift << shift);
}

// The part that depends on the passage. Rounded to f32 step by step, the same way in every path.
struct Bm25Saturation {
  Bm25Saturation(const Bm25Options& options, const CollectionStatistics& statistics) {
    const double mean = statistics.documents == 0 ? 1
                                                  : static_cast<double>(statistics.tokens) /
                                                        static_cast<double>(statistics.documents);
    constant = static_cast<float>(options.k1 * (1 - options.b));
    per_token = static_cast<float>(options.k1 * options.b / (mean > 0 ? mean : 1));
    byte_lengths = options.lengths == "byte";
  }
  float operator()(float frequency, float length) const {
    if (byte_lengths) length = static_cast<float>(ByteLength(static_cast<uint32_t>(length)));
    return frequency / (frequency + (constant + per_token * length));
  }
  float constant = 0, per_token = 0;
  bool byte_lengths = false;
};

}  // namespace weir::index
