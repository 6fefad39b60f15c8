// Good segment files of each kind, changed where the input says so and given checksums that fit, as
// somebody may forge them: opened, checked, searched and merged. Input: the kind, then changes of a
// byte each: u16 where (as a share of the file, so that any size is reached), u8 nearby, u8 what.
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "index/dense/vector_search.h"
#include "index/lexical/analysed.h"
#include "index/lexical/check.h"
#include "index/lexical/count.h"
#include "index/lexical/merge.h"
#include "index/lexical/search.h"
#include "index/multi/multi_search.h"
#include "index/segment_image.h"
#include "index/sparse/sparse_builder.h"
#include "index/sparse/sparse_search.h"
#include "index/texts/text_segment.h"

namespace wi = weir::index;

namespace {

constexpr size_t kRows = 200, kDimensions = 8;

template <class T>
T Require(absl::StatusOr<T> value) {
  if (!value.ok()) std::abort();
  return *std::move(value);
}

std::string Folder() {
  return std::filesystem::temp_directory_path() / absl::StrCat("weir_damage_fuzz_", ::getpid());
}

std::vector<float> Unit(std::mt19937& random, size_t n) {
  std::vector<float> v(n, 0.1f);
  v[random() % n] = std::sqrt(1 - 0.01f * static_cast<float>(n - 1));
  return v;
}

// The bytes of a file of each kind, made once.
const std::vector<std::string>& Images() {
  static const std::vector<std::string> images = [] {
    const std::string folder = Folder();
    std::filesystem::create_directories(folder);
    std::mt19937 random(1);
    std::vector<int64_t> ids;
    std::vector<std::string> texts;
    std::vector<float> dense;
    std::vector<weir::text::SparseVector> sparse;
    std::vector<weir::text::TokenVectors> tokens;
    for (size_t i = 0; i < kRows; ++i) {
      ids.push_back(static_cast<int64_t>(3 * i));
      texts.push_back(absl::StrCat("weir water ", i % 9, " gate gate ", i));
      const std::vector<float> v = Unit(random, kDimensions);
      dense.insert(dense.end(), v.begin(), v.end());
      const auto term = static_cast<int32_t>(i);
      sparse.push_back({{term % 5, 1.5f}, {9 + term % 40, 1}});
      tokens.push_back(i % 9 == 0 ? weir::text::TokenVectors() : v);
    }
    std::vector<wi::PassageFields> fields;
    auto writer = Require(wi::TextSegmentWriter::Create(folder, "text"));
    for (const std::string& text : texts) {
      fields.push_back(wi::MakeFields("", "", text));
      Require(writer->Add(text));
    }
    writer->set_rows(kRows);
    Require(writer->Commit());
    Require(wi::BuildLexicalSegment(fields, ids, "english", folder, "lexical", {}));
    const auto ascending = Require(wi::LexicalSegment::Open(folder + "/lexical"));
    const wi::SegmentView view{ascending.get(), nullptr};
    Require(wi::MergeLexicalSegments({&view, 1}, folder, "reordered", {}, {.reorder_from = 1}));
    if (Require(wi::LexicalSegment::Open(folder + "/reordered"))->ascending()) std::abort();
    Require(wi::WriteVectorSegment(ids, dense, kDimensions, folder, "vector", {}));
    Require(wi::WriteSparseSegment(ids, sparse, 60, folder, "sparse"));
    const auto encoder = Require(
        wi::FixedEncoder::Make({.dimensions = kDimensions, .reps = 2, .bits = 1, .dim = 4}));
    Require(wi::WriteMultiSegment(ids, tokens, *encoder, {}, folder, "multi", {}));
    std::vector<std::string> out;
    for (const char* name : {"lexical", "vector", "text", "sparse", "multi", "reordered"})
      out.push_back(Require(weir::ReadFile(absl::StrCat(folder, "/", name))));
    return out;
  }();
  return images;
}

template <class Segment>
std::shared_ptr<const Segment> Read(const std::string& image, wi::SegmentKind kind, int sections,
                                    int older = 0) {
  auto file =
      wi::SegmentFile::FromBytes(std::as_bytes(std::span(image)), "fuzz", kind, sections, older);
  if (!file.ok()) return nullptr;
  (void)(*file)->Verify();
  auto segment = Segment::FromFile(*file);
  return segment.ok() ? *segment : nullptr;
}

void Lexical(const std::string& image) {
  const auto segment =
      Read<wi::LexicalSegment>(image, wi::SegmentKind::kLexical, wi::kLexicalSections,
                               wi::kLexicalSections - 1);
  if (segment == nullptr) return;
  (void)wi::CheckLexicalSegment(*segment);
  const wi::SegmentView view{segment.get(), nullptr};
  wi::LexicalQuery query;
  for (const char* term : {"weir", "gate", "7"}) query.clauses.push_back({{term}, {0}, 1});
  query.clauses.push_back({{"weir", "water"}, {0, 1}, 1});
  for (const bool all : {false, true}) {
    query.all = all;
    (void)wi::SearchSegments({&view, 1}, query, 3, {});
    (void)wi::CountSegments({&view, 1}, query);
  }
  (void)wi::ExplainSegments({&view, 1}, query, segment->first_passage(), {});
  for (uint32_t r = 0; r < std::min(segment->rows(), 300u); ++r)
    (void)segment->Row(segment->passage(r));
  for (const int64_t from : {0, 1})
    (void)wi::MergeLexicalSegments({&view, 1}, Folder(), "merged", {}, {.reorder_from = from});
}

void Vectors(const std::string& image) {
  const auto segment = Read<wi::VectorSegment>(image, wi::SegmentKind::kVector,
                                               wi::kVectorSections);
  if (segment == nullptr || segment->dimensions() > 256) return;
  (void)segment->Check();
  const wi::VectorView view{segment.get(), nullptr};
  const std::vector<float> query(segment->dimensions(), 0.1f);
  for (const wi::Effort effort : {wi::Effort::kNormal, wi::Effort::kExact})
    (void)wi::SearchVectors({&view, 1}, query, 1, 3, {.effort = effort}, {});
  (void)wi::MergeVectorSegments({&view, 1}, Folder(), "merged", {});
}

void Texts(const std::string& image) {
  const auto segment = Read<wi::TextSegment>(image, wi::SegmentKind::kText, 2);
  if (segment == nullptr) return;
  (void)segment->Check();
  (void)segment->Read(0, 100);
  (void)segment->Read(segment->size() / 2, 5000);
}

void Sparse(const std::string& image) {
  const auto segment =
      Read<wi::SparseSegment>(image, wi::SegmentKind::kSparse, wi::kSparseSections);
  if (segment == nullptr) return;
  (void)segment->Check();
  const wi::SparseView view{segment.get(), nullptr};
  weir::text::SparseVector query;
  for (int32_t t = 0; t < std::min(segment->vocabulary(), 60); ++t) query.push_back({t, 0.5f + t});
  const auto made = wi::MakeSparseQuery(query, segment->vocabulary());
  for (const bool exact : {true, false})
    (void)wi::SearchSparse({&view, 1}, *made, 3, {.exact = exact}, {});
  (void)wi::MergeSparseSegments({&view, 1}, Folder(), "merged", {});
}

void Multi(const std::string& image) {
  const auto segment = Read<wi::MultiSegment>(image, wi::SegmentKind::kMulti, wi::kMultiSections);
  if (segment == nullptr || segment->dimensions() > 64) return;
  (void)segment->Check();
  const wi::MultiView view{segment.get(), nullptr};
  const std::vector<float> query(2 * segment->dimensions(), 0.1f);
  for (const int64_t candidates : {0, 5})
    (void)wi::SearchMulti({&view, 1}, query, 3, {.candidates = candidates}, {});
  (void)wi::MergeMultiSegments({&view, 1}, Folder(), "merged", {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t kind = data[0] % Images().size();
  std::string image = Images()[kind];
  for (size_t at = 1; at + 4 <= size; at += 4) {
    const size_t share = size_t{data[at]} << 8 | data[at + 1];
    // The header by its own offsets, what is behind it by shares.
    const size_t place = share < sizeof(wi::SegmentHeader)
                             ? share
                             : share * image.size() / 65536 + data[at + 2];
    if (place < image.size()) image[place] = static_cast<char>(image[place] ^ data[at + 3]);
  }
  wi::RepairChecksums(image);
  constexpr void (*kReaders[])(const std::string&) = {Lexical, Vectors, Texts,
                                                      Sparse,  Multi,   Lexical};
  kReaders[kind](image);
  return 0;
}
