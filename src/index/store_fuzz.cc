// Bytes as segment files of each kind: first as they are (header checks), then with a header that
// fits (readers of dense and sparse vectors and of texts).
#include <algorithm>
#include <cstdint>
#include <string>

#include "index/dense/vector_search.h"
#include "index/multi/multi_search.h"
#include "index/segment_image.h"
#include "index/sparse/sparse_search.h"
#include "index/texts/text_segment.h"

namespace wi = weir::index;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string raw(reinterpret_cast<const char*>(data), size);
  auto plain =
      wi::SegmentFile::FromBytes(std::as_bytes(std::span(raw)), "fuzz", wi::SegmentKind::kText, 2);
  if (plain.ok()) (void)(*plain)->Verify();
  const std::string text = wi::FuzzImage(data, size, wi::SegmentKind::kText, 2);
  if (!text.empty()) {
    auto file = wi::SegmentFile::FromBytes(std::as_bytes(std::span(text)), "fuzz",
                                           wi::SegmentKind::kText, 2);
    if (file.ok()) {
      if (auto segment = wi::TextSegment::FromFile(*file); segment.ok()) {
        (void)(*segment)->Check();
        (void)(*segment)->Read(size, 40000);
      }
    }
  }
  const std::string vector = wi::FuzzImage(data, size, wi::SegmentKind::kVector, 7);
  if (!vector.empty()) {
    auto file = wi::SegmentFile::FromBytes(std::as_bytes(std::span(vector)), "fuzz",
                                           wi::SegmentKind::kVector, 7);
    if (file.ok()) {
      if (auto segment = wi::VectorSegment::FromFile(*file);
          segment.ok() && (*segment)->dimensions() < 256) {
        (void)(*segment)->Check();
        const wi::VectorView view{segment->get(), nullptr};
        std::vector<float> query((*segment)->dimensions(), 0.1f);
        (void)wi::SearchVectors({&view, 1}, query, 1, 3, {}, {});
      }
    }
  }
  const std::string sparse =
      wi::FuzzImage(data, size, wi::SegmentKind::kSparse, wi::kSparseSections);
  if (!sparse.empty()) {
    auto file = wi::SegmentFile::FromBytes(std::as_bytes(std::span(sparse)), "fuzz",
                                           wi::SegmentKind::kSparse, wi::kSparseSections);
    if (file.ok()) {
      if (auto segment = wi::SparseSegment::FromFile(*file); segment.ok()) {
        (void)(*segment)->Check();
        const wi::SparseView view{segment->get(), nullptr};
        weir::text::SparseVector query;
        for (int32_t t = 0; t < std::min((*segment)->vocabulary(), 70); ++t) {
          query.push_back({t, 0.5f + t});
        }
        const auto made = wi::MakeSparseQuery(query, (*segment)->vocabulary());
        for (bool exact : {true, false}) {
          (void)wi::SearchSparse({&view, 1}, *made, 3, {.exact = exact}, {});
        }
      }
    }
  }
  const std::string multi = wi::FuzzImage(data, size, wi::SegmentKind::kMulti, wi::kMultiSections);
  if (!multi.empty()) {
    auto file = wi::SegmentFile::FromBytes(std::as_bytes(std::span(multi)), "fuzz",
                                           wi::SegmentKind::kMulti, wi::kMultiSections);
    if (file.ok()) {
      if (auto segment = wi::MultiSegment::FromFile(*file);
          segment.ok() && (*segment)->dimensions() < 64) {
        (void)(*segment)->Check();
        const wi::MultiView view{segment->get(), nullptr};
        std::vector<float> query(3 * (*segment)->dimensions(), 0.1f);
        for (int64_t candidates : {0, 2}) {
          (void)wi::SearchMulti({&view, 1}, query, 3, {.candidates = candidates}, {});
        }
      }
    }
  }
  return 0;
}
