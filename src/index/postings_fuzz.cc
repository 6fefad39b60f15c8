// Bytes as a lexical segment: the header is made to fit, everything behind it is the fuzzer's.
#include <cstdint>
#include <cstring>
#include <string>

#include "index/segment_image.h"
#include "index/lexical/check.h"
#include "index/lexical/count.h"
#include "index/lexical/search.h"

namespace wi = weir::index;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const bool reordered = size > 0 && data[size - 1] % 2 != 0;
  const std::string image =
      wi::FuzzImage(data, size, wi::SegmentKind::kLexical,
                    reordered ? wi::kLexicalSections : wi::kLexicalSections - 1,
                    reordered ? wi::kReorderedFormat : wi::kLexicalFormat);
  if (image.empty()) return 0;
  auto file = wi::SegmentFile::FromBytes(std::as_bytes(std::span(image)), "fuzz",
                                         wi::SegmentKind::kLexical, wi::kLexicalSections,
                                         wi::kLexicalSections - 1);
  if (!file.ok()) return 0;
  auto segment = wi::LexicalSegment::FromFile(*file);
  if (!segment.ok()) return 0;
  (void)wi::CheckLexicalSegment(**segment);
  for (const int64_t id : {int64_t{0}, (*segment)->last_passage()}) (void)(*segment)->Row(id);
  const wi::SegmentView view{segment->get(), nullptr};
  wi::LexicalQuery query;
  for (const char* term : {"weir", "water", "a", "gate", ""})
    query.clauses.push_back({{term}, {0}, 1});
  (void)wi::SearchSegments({&view, 1}, query, 3, {});
  query.clauses.push_back({{"water", "gate"}, {0, 1}, 1});
  query.clauses.push_back({{"weir", "weir"}, {0, 2}, 1});
  (void)wi::SearchSegments({&view, 1}, query, 3, {});
  (void)wi::CountSegments({&view, 1}, query);
  query.clauses[1].need = wi::Need::kMustNot;
  (void)wi::SearchSegments({&view, 1}, query, 3, {});
  (void)wi::CountSegments({&view, 1}, query);
  query.clauses.resize(3);
  query.all = true;
  (void)wi::SearchSegments({&view, 1}, query, 3, {});
  (void)wi::CountSegments({&view, 1}, query);
  query.clauses = {{{"water", "gate"}, {0, 1}, 1}};
  (void)wi::SearchSegments({&view, 1}, query, 3, {});
  (void)wi::ExplainSegments({&view, 1}, query, (*segment)->first_passage(), {});
  return 0;
}
