#include "generate/prompt_cache/saved_prompt.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "generate/prompt_cache/cachegen.h"
#include "generate/prompt_cache/codec_samples.h"

namespace weir::generate {
namespace {

constexpr uint64_t kMaxTablesFile = 256 << 20;  // bytes

double Seconds(const Context& context, int64_t start_ns) {
  return static_cast<double>(context.now_ns() - start_ns) * 1e-9;
}

absl::Status CheckLevels(std::span<const int> levels) {
  const bool ascending = std::is_sorted(levels.begin(), levels.end()) &&
                         std::adjacent_find(levels.begin(), levels.end()) == levels.end();
  if (!levels.empty() && ascending && levels.front() >= 1 && levels.back() <= kCodecLevels) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("levels: expected some of 1 to ", kCodecLevels, ", ascending"));
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> QuestionTokens(const PromptModel& model,
                                                    const std::string& text,
                                                    const std::string& question) {
  return model.writer().Tokens({{"user", absl::StrCat(text, "\n\n", question)}});
}

absl::StatusOr<std::vector<int32_t>> PromptTokensOf(const PromptModel& model, PromptForm form,
                                                    const std::string& text) {
  std::vector<int32_t> tokens;
  if (form == PromptForm::kPlain) {
    tokens = model.tokenizer().Encode(text, {.add_special = true});
  } else {
    // What questions that begin differently have in common.
    WEIR_ASSIGN_OR_RETURN(tokens, QuestionTokens(model, text, "What"));
    for (const char* other : {"(", "1", "in"}) {
      WEIR_ASSIGN_OR_RETURN(const auto more, QuestionTokens(model, text, other));
      const auto end = std::mismatch(tokens.begin(), tokens.end(), more.begin(), more.end()).first;
      tokens.erase(end, tokens.end());
    }
  }
  if (tokens.size() >= 2) return tokens;
  return absl::InvalidArgumentError(
      absl::StrCat("prompt: the text makes ", tokens.size(), " tokens; expected at least 2"));
}

absl::StatusOr<std::shared_ptr<const KvCodec>> FitOnSession(PromptModel& model, int64_t cached,
                                                            std::span<const int> levels,
                                                            const Context& context) {
  CacheGenSteps steps;
  for (int level = 1; level <= kCodecLevels; ++level) {
    if (std::find(levels.begin(), levels.end(), level) == levels.end()) steps.level[level - 1] = 0;
  }
  const auto fit = MakeDeltaFit(steps);
  WEIR_RETURN_IF_ERROR(fit->Begin(model.shape()));
  const int64_t chunks = (cached + kCodecTokens - 1) / kCodecTokens;
  const int64_t kept = std::min<int64_t>(chunks, CodecSamples::kKeptTokens / kCodecTokens);
  KvRows rows;
  for (int64_t i = 0; i < kept; ++i) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const int64_t first = i * chunks / kept * kCodecTokens;
    const int n = static_cast<int>(std::min<int64_t>(kCodecTokens, cached - first));
    WEIR_RETURN_IF_ERROR(model.Export(first, n, rows));
    WEIR_RETURN_IF_ERROR(fit->Add(n, rows.k.data(), rows.v.data()));
  }
  return fit->Finish(context.threads);
}

absl::StatusOr<std::string> SavePrompt(PromptModel& model, PromptForm form, const std::string& text,
                                       std::span<const int> levels,
                                       std::shared_ptr<const KvCodec> codec, SaveReport& report,
                                       const Context& context) {
  WEIR_RETURN_IF_ERROR(CheckLevels(levels));
  PromptHead head;
  head.identity = model.identity();
  head.form = form;
  head.text = text;
  head.levels.assign(levels.begin(), levels.end());
  WEIR_ASSIGN_OR_RETURN(head.tokens, PromptTokensOf(model, form, text));
  int64_t start = context.now_ns();
  model.session().Forget();
  WEIR_RETURN_IF_ERROR(model.session().Feed(std::span(head.tokens).first(head.cached()), context));
  report.compute_s = Seconds(context, start);
  start = context.now_ns();
  if (codec == nullptr) {
    WEIR_ASSIGN_OR_RETURN(codec, FitOnSession(model, head.cached(), levels, context));
  }
  std::vector<std::string> chunks;
  report.level_bytes.assign(levels.size(), 0);
  KvRows rows;
  for (int chunk = 0; chunk < head.chunks(); ++chunk) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const int n = static_cast<int>(head.chunk_tokens(chunk).size());
    WEIR_RETURN_IF_ERROR(model.Export(int64_t{chunk} * kCodecTokens, n, rows));
    for (size_t i = 0; i < levels.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(std::string bytes, codec->Encode(levels[i], n, rows.k.data(),
                                                             rows.v.data(), context.threads));
      report.level_bytes[i] += static_cast<int64_t>(bytes.size());
      chunks.push_back(std::move(bytes));
    }
  }
  std::string file = PromptFileBytes(head, *codec, chunks);
  report.encode_s = Seconds(context, start);
  report.bytes = static_cast<int64_t>(file.size());
  report.tokens = static_cast<int64_t>(head.tokens.size());
  const KvCodecShape shape = model.shape();
  report.half_bytes = 2 * 2 * int64_t{shape.layers} * shape.width() * head.cached();
  return file;
}

std::string TablesPath(const ModelIdentity& identity) {
  return absl::StrCat(WeirHome(), "/prompt-tables/", absl::Hex(identity.weights, absl::kZeroPad16),
                      ".kvtables");
}

absl::StatusOr<std::shared_ptr<const KvCodec>> ReadTables(const ModelIdentity& identity) {
  const std::string path = TablesPath(identity);
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxTablesFile);
  if (absl::IsNotFound(bytes.status())) return nullptr;
  WEIR_RETURN_IF_ERROR(bytes.status());
  const std::string_view all = *bytes;
  uint64_t checksum = 0;
  const size_t size = all.size() < sizeof(checksum) ? 0 : all.size() - sizeof(checksum);
  if (size > 0) std::memcpy(&checksum, all.data() + size, sizeof(checksum));
  if (size == 0 || XXH3_64bits(all.data(), size) != checksum) {
    return absl::DataLossError(
        absl::StrCat(path, ": the checksum does not match; remove the file or fit again"));
  }
  const auto codec = LoadKvCodec(all.substr(0, size));
  WEIR_RETURN_IF_ERROR(Annotate(codec.status(), path));
  if ((*codec)->shape() == identity.shape) return codec;
  return absl::DataLossError(absl::StrCat(path, ": made for a model of another shape"));
}

absl::Status WriteTables(const ModelIdentity& identity, const KvCodec& codec) {
  WEIR_RETURN_IF_ERROR(MakeFolders(absl::StrCat(WeirHome(), "/prompt-tables")));
  std::string bytes = codec.Save(0);
  AppendNumber(bytes, static_cast<uint64_t>(XXH3_64bits(bytes.data(), bytes.size())));
  return WriteFileAtomic(TablesPath(identity), bytes);
}

}  // namespace weir::generate
