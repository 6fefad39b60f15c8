#include "index/lexical/segment_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {
namespace {

template <class T>
absl::Status AppendNarrow(const std::vector<uint32_t>& values, SegmentWriter& writer) {
  std::vector<T> narrow(values.begin(), values.end());
  return writer.AppendArray<T>(narrow);
}

}  // namespace

LexicalSegmentBuilder::LexicalSegmentBuilder(std::vector<int64_t> ids,
                                             std::vector<uint32_t> lengths,
                                             std::vector<uint32_t> ranks)
    : ids_(std::move(ids)),
      lengths_(std::move(lengths)),
      ranks_(std::move(ranks)),
      terms_(lengths_) {
  for (uint32_t n : lengths_) total_tokens_ += n;
}

absl::Status LexicalSegmentBuilder::EndTerm(std::string_view term) {
  TermInfo info;
  WEIR_RETURN_IF_ERROR(terms_.Finish(postings_, positions_, info));
  if (info.document_count == 0) return absl::OkStatus();
  size_t shared = 0;
  if (term_count_ % kTermsPerBlock == 0) {
    index_.push_back(dictionary_.size());
    index_.push_back(info.postings_offset);
    index_.push_back(info.positions_offset);
  } else {
    const size_t limit = std::min(term.size(), previous_term_.size());
    while (shared < limit && term[shared] == previous_term_[shared]) ++shared;
  }
  dictionary_.push_back(static_cast<char>(shared));
  dictionary_.push_back(static_cast<char>(term.size() - shared));
  dictionary_.append(term.substr(shared));
  PutVarint(info.document_count, dictionary_);
  PutVarint(info.occurrences - info.document_count, dictionary_);
  PutVarint(info.postings_size, dictionary_);
  PutVarint(info.positions_size, dictionary_);
  previous_term_.assign(term);
  ++term_count_;
  return absl::OkStatus();
}

absl::StatusOr<SegmentInfo> LexicalSegmentBuilder::Write(const std::string& folder,
                                                         const std::string& name) {
  if (ids_.empty() || ids_.back() - ids_.front() > std::numeric_limits<uint32_t>::max()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, ": passage ids of one segment span more than 2^32"));
  }
  WEIR_ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(folder, name, SegmentKind::kLexical));
  // Consecutive ids are known from the first.
  const bool dense = ids_.back() - ids_.front() == static_cast<int64_t>(ids_.size()) - 1;
  std::vector<uint32_t> offsets(dense ? 0 : ids_.size());
  for (size_t i = 0; i < offsets.size(); ++i)
    offsets[i] = static_cast<uint32_t>(ids_[i] - ids_.front());
  const uint32_t longest = *std::max_element(lengths_.begin(), lengths_.end());
  const int width = longest < 256 ? 1 : longest < 65536 ? 2 : 4;
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint32_t>(offsets));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(width == 1   ? AppendNarrow<uint8_t>(lengths_, *writer)
                       : width == 2 ? AppendNarrow<uint16_t>(lengths_, *writer)
                                    : AppendNarrow<uint32_t>(lengths_, *writer));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->Append(dictionary_));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->AppendArray<uint64_t>(index_));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->Append(postings_));
  WEIR_RETURN_IF_ERROR(writer->BeginSection());
  WEIR_RETURN_IF_ERROR(writer->Append(positions_));
  if (!ranks_.empty()) {
    std::string packed;
    PutPlain(ranks_.data(), ranks_.size(), RankBits(ranks_.size()), packed);
    WEIR_RETURN_IF_ERROR(writer->BeginSection());
    WEIR_RETURN_IF_ERROR(writer->Append(packed));
  }
  writer->set_rows(ids_.size());
  writer->set_param(kFirstPassageParam, static_cast<uint64_t>(ids_.front()));
  writer->set_param(kTermCountParam, term_count_);
  writer->set_param(kTotalTokensParam, total_tokens_);
  writer->set_param(kLengthBytesParam, static_cast<uint64_t>(width));
  writer->set_param(kFormatParam, ranks_.empty() ? kLexicalFormat : kReorderedFormat);
  return writer->Commit();
}

}  // namespace weir::index
