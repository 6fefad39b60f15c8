// Documents cut into passages: whole sentences, whole blocks where they fit, never across a
// heading.
#pragma once

#include <cstdint>
#include <vector>

#include "text/records.h"

namespace weir::ingest {

struct ChunkOptions {
  int64_t words = 100;
  int64_t overlap = 1;
  template <class V> void Visit(V& v) {
    v(words, {.name = "chunk-words",
              .help = "Words a passage aims for.",
              .unit = "words",
              .min = 20,
              .max = 2000});
    v(overlap, {.name = "chunk-overlap",
                .help = "Sentences two neighbouring passages share.",
                .unit = "sentences",
                .min = 0,
                .max = 10});
  }
};

std::vector<text::Passage> Chunk(const text::Document& document, const ChunkOptions& options);

}  // namespace weir::ingest
