// Writing and merging segments of token vectors.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/threads.h"
#include "index/multi/encoding_codes.h"
#include "index/multi/multi_segment.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr double kUnitTolerance = 2e-3;

// All that a segment holds, before it is laid out.
struct Rows {
  FixedEncodingParameters parameters;
  std::vector<int64_t> ids;
  std::vector<uint64_t> starts = {0};
  std::vector<float> scales;
  std::vector<uint8_t> quantiser;
  uint64_t trained_tokens = 0;
  // Two codes a byte: [rows][encoding parts / 2] and [tokens][token parts / 2].
  std::vector<uint8_t> encoding_codes, token_codes;

  size_t encoding_parts() const { return EncodingParts(parameters.length()); }
  size_t token_parts() const { return TokenQuantiserView::PartsOf(parameters.dimensions); }
};

// Two codes of a row a byte, as they wait for their place in a group.
void HalveCodes(std::span<const uint8_t> codes, uint8_t* out) {
  for (size_t i = 0; i < codes.size(); i += 2) {
    out[i / 2] = static_cast<uint8_t>(codes[i] | codes[i + 1] << 4);
  }
}

// A section of groups. halves: [rows][parts / 2].
absl::Status AppendGroups(const std::vector<uint8_t>& halves, size_t parts, SegmentWriter& writer) {
  WEIR_RETURN_IF_ERROR(writer.BeginSection());
  const size_t rows = halves.size() / (parts / 2);
  std::vector<uint8_t> group(tensor::LookupGroupBytes(parts)), codes(parts);
  for (size_t first = 0; first < rows; first += tensor::kLookupGroup) {
    std::fill(group.begin(), group.end(), uint8_t{0});
    for (size_t r = first; r < std::min(rows, first + tensor::kLookupGroup); ++r) {
      for (size_t i = 0; i < parts; ++i) {
        const uint8_t two = halves[(r * parts + i) / 2];
        codes[i] = i % 2 == 0 ? two & 15 : two >> 4;
      }
      tensor::PackGroupRow(codes.data(), parts, r - first, group.data());
    }
    WEIR_RETURN_IF_ERROR(writer.Append(group));
  }
  return absl::OkStatus();
}

absl::StatusOr<SegmentInfo> WriteRows(const Rows& rows, const std::string& folder,
                                      const std::string& name) {
  WEIR_ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(folder, name, SegmentKind::kMulti));
  const auto bytes = [](const auto& values) {
    return std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(values.data()),
                                    values.size() * sizeof(values[0]));
  };
  const auto append = [&](std::span<const uint8_t> section) {
    const absl::Status status = writer->BeginSection();
    return status.ok() ? writer->Append(section) : status;
  };
  WEIR_RETURN_IF_ERROR(append(bytes(rows.ids)));
  WEIR_RETURN_IF_ERROR(append(bytes(rows.starts)));
  WEIR_RETURN_IF_ERROR(append(bytes(rows.scales)));
  WEIR_RETURN_IF_ERROR(AppendGroups(rows.encoding_codes, rows.encoding_parts(), *writer));
  WEIR_RETURN_IF_ERROR(append(rows.quantiser));
  WEIR_RETURN_IF_ERROR(AppendGroups(rows.token_codes, rows.token_parts(), *writer));
  const FixedEncodingParameters& p = rows.parameters;
  writer->set_rows(rows.ids.size());
  writer->set_param(kTokenDimensionsParam, p.dimensions);
  writer->set_param(kRepsParam, p.reps);
  writer->set_param(kBitsParam, p.bits);
  writer->set_param(kDimParam, p.dim);
  writer->set_param(kFinalParam, p.final_dim);
  writer->set_param(kSeedParam, p.seed);
  writer->set_param(kMeansParam,
                    (p.fill_empty ? 1 : 0) | (p.unit_means ? 2 : 0) | (p.whole ? 4 : 0));
  writer->set_param(kTrainedParam, rows.trained_tokens);
  return writer->Commit();
}

bool UnitLength(const float* x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
  return std::abs(sum - 1) <= kUnitTolerance;  // false for NaN too
}

absl::Status CheckVectors(std::span<const int64_t> ids,
                          std::span<const text::TokenVectors> vectors, size_t d) {
  for (size_t r = 0; r < ids.size(); ++r) {
    bool good = vectors[r].size() % d == 0 && (r == 0 || ids[r] > ids[r - 1]);
    for (size_t at = 0; good && at < vectors[r].size(); at += d) {
      good = UnitLength(&vectors[r][at], d);
    }
    if (!good) {
      return absl::InvalidArgumentError(
          absl::StrCat("token vectors of passage ", ids[r], ": ", vectors[r].size(),
                       " numbers; expected vectors of ", d,
                       " numbers, finite and of unit length, of ascending passages"));
    }
  }
  return absl::OkStatus();
}

// The segment whose quantiser saw most tokens, the first of equals; null when there is none.
const MultiSegment* BestTrained(std::span<const MultiView> segments,
                                const FixedEncodingParameters& parameters) {
  const MultiSegment* best = nullptr;
  for (const MultiView& view : segments) {
    if (view.segment->parameters() != parameters) continue;
    if (best == nullptr || view.segment->trained_tokens() > best->trained_tokens()) {
      best = view.segment;
    }
  }
  return best;
}

absl::Status ChooseQuantiser(std::span<const text::TokenVectors> vectors,
                             std::span<const MultiView> others, Rows& rows,
                             const Context& context) {
  const MultiSegment* best = BestTrained(others, rows.parameters);
  if (best != nullptr && best->well_trained()) {
    rows.quantiser.assign(best->quantiser().begin(), best->quantiser().end());
    rows.trained_tokens = best->trained_tokens();
    return absl::OkStatus();
  }
  const size_t d = rows.parameters.dimensions;
  std::vector<const float*> tokens;
  for (const text::TokenVectors& v : vectors) {
    for (size_t at = 0; at < v.size(); at += d) tokens.push_back(&v[at]);
  }
  rows.trained_tokens = tokens.size();
  std::vector<float> none(d);
  if (tokens.empty()) tokens.push_back(none.data());
  WEIR_ASSIGN_OR_RETURN(rows.quantiser,
                        TrainTokenQuantiser(d, tokens.size(),
                                            [&](size_t i) { return tokens[i]; }, context));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentInfo> WriteMultiSegment(std::span<const int64_t> ids,
                                              std::span<const text::TokenVectors> vectors,
                                              const FixedEncoder& encoder,
                                              std::span<const MultiView> others,
                                              const std::string& folder, const std::string& name,
                                              const Context& context) {
  const size_t d = encoder.parameters().dimensions, length = encoder.length();
  if (ids.empty() || ids.size() != vectors.size() || d > kMaxTokenDimensions) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", ids.size(), " ids, ",
                                                   vectors.size(), " sets of vectors, ", d,
                                                   " dimensions; at most ", kMaxTokenDimensions));
  }
  WEIR_RETURN_IF_ERROR(CheckVectors(ids, vectors, d));
  Rows rows{.parameters = encoder.parameters(), .ids = {ids.begin(), ids.end()}};
  WEIR_RETURN_IF_ERROR(ChooseQuantiser(vectors, others, rows, context));
  for (const text::TokenVectors& v : vectors)
    rows.starts.push_back(rows.starts.back() + v.size() / d);
  const TokenCoder coder(TokenQuantiserView::Over(rows.quantiser.data(), d));
  const size_t half = coder.parts() / 2, encoding_half = rows.encoding_parts() / 2;
  rows.encoding_codes.resize(ids.size() * encoding_half);
  rows.scales.resize(ids.size());
  rows.token_codes.resize(rows.starts.back() * half);
  std::vector<absl::Status> failed(ids.size());
  ParallelShare(context.threads, ids.size(), 8, [&](size_t begin, size_t end, int) {
    std::vector<float> encoding(length);
    std::vector<uint8_t> codes, encoding_codes(rows.encoding_parts());
    for (size_t r = begin; r < end; ++r) {
      const size_t tokens = vectors[r].size() / d;
      if (tokens == 0) continue;  // nothing finds it
      failed[r] = encoder.EncodePassage(vectors[r], encoding);
      rows.scales[r] = EncodeScanCodes(encoding, encoding_codes.data());
      HalveCodes(encoding_codes, &rows.encoding_codes[r * encoding_half]);
      codes.resize(tokens * coder.parts());
      coder.Encode(vectors[r].data(), tokens, codes.data());
      HalveCodes(codes, &rows.token_codes[rows.starts[r] * half]);
    }
  });
  for (const absl::Status& status : failed) WEIR_RETURN_IF_ERROR(status);
  return WriteRows(rows, folder, name);
}

absl::StatusOr<SegmentInfo> MergeMultiSegments(std::span<const MultiView> segments,
                                               const std::string& folder, const std::string& name,
                                               const Context& context) {
  struct Source {
    int64_t id;
    const MultiSegment* segment;
    size_t row;
  };
  std::vector<Source> sources;
  for (const MultiView& view : segments) {
    if (view.segment->parameters() != segments[0].segment->parameters()) {
      return absl::InternalError(absl::StrCat(
          view.segment->file().path(), ": encodings of other parameters than its neighbours"));
    }
    WEIR_RETURN_IF_ERROR(view.segment->CheckStarts());
    for (size_t r = 0; r < view.segment->rows(); ++r) {
      if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(r))) continue;
      sources.push_back({view.segment->passage(r), view.segment, r});
    }
  }
  if (sources.empty()) return absl::NotFoundError("no live token vectors are left");
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.id < b.id; });
  Rows rows{.parameters = segments[0].segment->parameters()};
  const MultiSegment* best = BestTrained(segments, rows.parameters);
  rows.quantiser.assign(best->quantiser().begin(), best->quantiser().end());
  rows.trained_tokens = best->trained_tokens();
  const size_t parts = rows.token_parts(), encoding_half = rows.encoding_parts() / 2;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (i % 1024 == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const MultiSegment& from = *sources[i].segment;
    const size_t row = sources[i].row;
    std::vector<uint8_t> codes = from.CodesOf(row);
    const auto own = from.quantiser();
    if (&from != best && !std::equal(own.begin(), own.end(), rows.quantiser.begin())) {
      best->coder().Encode(from.Decode(row).data(), codes.size() / parts, codes.data());
    }
    rows.ids.push_back(sources[i].id);
    rows.starts.push_back(rows.starts.back() + codes.size() / parts);
    rows.token_codes.resize(rows.starts.back() * parts / 2);
    HalveCodes(codes, rows.token_codes.data() + rows.token_codes.size() - codes.size() / 2);
    rows.encoding_codes.resize(rows.encoding_codes.size() + encoding_half);
    HalveCodes(from.EncodingCodesOf(row), &rows.encoding_codes[i * encoding_half]);
    rows.scales.push_back(from.encoding_scales()[row]);
  }
  return WriteRows(rows, folder, name);
}

}  // namespace weir::index
