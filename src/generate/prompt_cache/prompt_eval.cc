#include "generate/prompt_cache/prompt_eval.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/statistics.h"
#include "base/status.h"
#include "generate/completion.h"
#include "generate/prompt_cache/cachegen.h"
#include "generate/prompt_cache/saved_prompt.h"

namespace weir::generate {
namespace {

double Seconds(const Context& context, int64_t start_ns) {
  return static_cast<double>(context.now_ns() - start_ns) * 1e-9;
}

absl::StatusOr<std::vector<KvRows>> ExportAll(PromptModel& model, int64_t cached) {
  std::vector<KvRows> chunks;
  for (int64_t first = 0; first < cached; first += kCodecTokens) {
    const int n = static_cast<int>(std::min<int64_t>(kCodecTokens, cached - first));
    WEIR_RETURN_IF_ERROR(model.Export(first, n, chunks.emplace_back()));
  }
  return chunks;
}

int TokensOf(const KvRows& rows, const KvCodecShape& shape) {
  return static_cast<int>(rows.k.size() / shape.layers / shape.width());
}

absl::StatusOr<std::shared_ptr<const KvCodec>> FitOn(KvCodecFit& fit, const KvCodecShape& shape,
                                                     const std::vector<KvRows>& chunks,
                                                     Threads* threads) {
  WEIR_RETURN_IF_ERROR(fit.Begin(shape));
  for (const KvRows& rows : chunks) {
    WEIR_RETURN_IF_ERROR(fit.Add(TokensOf(rows, shape), rows.k.data(), rows.v.data()));
  }
  return fit.Finish(threads);
}

// Puts the chunks into the session through the codec; returns their bytes.
absl::StatusOr<int64_t> Reload(PromptModel& model, const KvCodec& codec, int level,
                               const std::vector<KvRows>& chunks, std::span<const int32_t> tokens,
                               Threads* threads) {
  model.session().Forget();
  int64_t bytes = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const int n = TokensOf(chunks[i], model.shape());
    WEIR_ASSIGN_OR_RETURN(const std::string chunk,
                          codec.Encode(level, n, chunks[i].k.data(), chunks[i].v.data(), threads));
    bytes += static_cast<int64_t>(chunk.size());
    WEIR_RETURN_IF_ERROR(
        model.Import(tokens.subspan(i * kCodecTokens, n), codec, chunk, threads));
  }
  return bytes;
}

struct Sums {
  double raw = 0;  // log-likelihood after the cache as it was
  std::array<double, kCodecLevels> levels = {};
};

absl::Status EvaluateOne(PromptModel& model, std::span<const int32_t> tokens,
                         const PromptEvalOptions& options, PromptEvalResult& result, Sums& sums,
                         const Context& context) {
  const int64_t kept = options.prompt_tokens;
  model.session().Forget();
  WEIR_RETURN_IF_ERROR(model.session().Feed(tokens.first(kept), context));
  WEIR_ASSIGN_OR_RETURN(const auto chunks, ExportAll(model, kept));
  WEIR_ASSIGN_OR_RETURN(const double raw, model.session().Score(tokens, kept + 1, context));
  sums.raw += raw;
  auto codec = options.codec;
  if (codec == nullptr) {
    WEIR_ASSIGN_OR_RETURN(codec,
                          FitOn(*options.fit(), model.shape(), chunks, context.threads));
  }
  for (int level = 1; level <= kCodecLevels; ++level) {
    PromptEvalLevel& row = result.levels[level - 1];
    WEIR_ASSIGN_OR_RETURN(const int64_t bytes,
                          Reload(model, *codec, level, chunks, tokens, context.threads));
    WEIR_ASSIGN_OR_RETURN(const double lossy, model.session().Score(tokens, kept + 1, context));
    sums.levels[level - 1] += lossy;
    row.bytes += bytes;
    if (options.codec == nullptr) {
      row.table_bytes += static_cast<int64_t>(codec->Save(level).size());
    }
  }
  ++result.documents;
  result.tokens += kept;
  result.scored += options.following_tokens - 1;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PromptEvalResult> EvaluatePrompts(PromptModel& model,
                                                 const std::vector<std::string>& documents,
                                                 const PromptEvalOptions& options,
                                                 const Context& context) {
  PromptEvalResult result;
  Sums sums;
  const auto all = static_cast<size_t>(options.prompt_tokens + options.following_tokens);
  for (const std::string& document : documents) {
    const std::vector<int32_t> tokens =
        model.tokenizer().Encode(document, {.add_special = true});
    for (size_t at = 0; at + all <= tokens.size(); at += all) {
      if (result.documents == options.documents) break;
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      WEIR_RETURN_IF_ERROR(EvaluateOne(model, std::span(tokens).subspan(at, all), options, result,
                                       sums, context));
    }
  }
  if (result.documents == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("documents: none has ", all, " tokens; expected at least one"));
  }
  const auto scored = static_cast<double>(result.scored);
  const KvCodecShape shape = model.shape();
  result.half_bytes = result.tokens * 4 * shape.layers * shape.width();
  result.perplexity = std::exp(-sums.raw / scored);
  for (int l = 0; l < kCodecLevels; ++l) {
    result.levels[l].perplexity = std::exp(-sums.levels[l] / scored);
  }
  return result;
}

namespace {

absl::StatusOr<std::vector<std::string>> GreedyAnswers(PromptModel& model,
                                                       const PromptQuestions& document,
                                                       int64_t max_tokens,
                                                       const Context& context) {
  std::vector<std::string> answers;
  for (const std::string& question : document.questions) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const auto prompt, QuestionTokens(model, document.text, question));
    text::CompletionRequest request;
    request.max_tokens = max_tokens;
    request.temperature = 0;
    WEIR_ASSIGN_OR_RETURN(
        const auto done, RunCompletion(prompt, request, {.temperature = 0}, nullptr,
                                       model.tokenizer(), model.session(), context));
    answers.push_back(done.text);
  }
  return answers;
}

}  // namespace

absl::StatusOr<PromptAnswers> ComparePromptAnswers(PromptModel& model,
                                                   const std::vector<PromptQuestions>& documents,
                                                   int64_t max_tokens, const Context& context) {
  PromptAnswers result;
  for (const PromptQuestions& document : documents) {
    WEIR_ASSIGN_OR_RETURN(const auto tokens,
                          PromptTokensOf(model, PromptForm::kChat, document.text));
    const auto cached = std::span(tokens).first(tokens.size() - 1);
    model.session().Forget();
    WEIR_RETURN_IF_ERROR(model.session().Feed(cached, context));
    WEIR_ASSIGN_OR_RETURN(const auto chunks,
                          ExportAll(model, static_cast<int64_t>(cached.size())));
    WEIR_ASSIGN_OR_RETURN(const auto codec,
                          FitOn(*MakeDeltaFit({}), model.shape(), chunks, context.threads));
    WEIR_ASSIGN_OR_RETURN(const auto exact, GreedyAnswers(model, document, max_tokens, context));
    for (int level = 1; level <= kCodecLevels; ++level) {
      WEIR_RETURN_IF_ERROR(
          Reload(model, *codec, level, chunks, cached, context.threads).status());
      WEIR_ASSIGN_OR_RETURN(const auto lossy,
                            GreedyAnswers(model, document, max_tokens, context));
      for (size_t i = 0; i < exact.size(); ++i) {
        result.same[level - 1] += lossy[i] == exact[i] ? 1 : 0;
      }
    }
    result.questions += static_cast<int64_t>(exact.size());
  }
  return result;
}

namespace {

// MB of f16 a second on this thread alone, over whole chunks.
absl::StatusOr<double> DecodeSpeed(const PromptFile& file, int level, const Context& context) {
  const PromptHead& head = file.head();
  const KvCodecShape& shape = head.identity.shape;
  std::vector<float> k(size_t{kCodecTokens} * shape.layers * shape.width()), v(k.size());
  double bytes = 0;
  const int64_t start = context.now_ns();
  for (int i = 0; i < head.chunks(); ++i) {
    const int n = static_cast<int>(head.chunk_tokens(i).size());
    WEIR_ASSIGN_OR_RETURN(const std::string_view chunk, file.Chunk(i, level));
    WEIR_RETURN_IF_ERROR(file.codec()->Decode(chunk, n, k.data(), v.data(), nullptr));
    bytes += 4.0 * n * shape.layers * shape.width();
  }
  return bytes * 1e-6 / Seconds(context, start);
}

}  // namespace

absl::StatusOr<PromptSpeed> MeasurePromptSpeed(PromptModel& model, const std::string& text,
                                               int64_t tokens, int64_t rounds,
                                               const std::string& folder, const Context& context) {
  std::vector<int32_t> ids = model.tokenizer().Encode(text, {.add_special = true});
  if (static_cast<int64_t>(ids.size()) < tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("text: ", ids.size(), " tokens; expected at least ", tokens));
  }
  ids.resize(tokens);
  const std::string cut = model.tokenizer().Decode(ids);
  PromptSpeed speed;
  SaveReport saved;
  const int all[] = {1, 2, 3};
  WEIR_ASSIGN_OR_RETURN(
      const std::string bytes,
      SavePrompt(model, PromptForm::kPlain, cut, all, nullptr, saved, context));
  speed.encode_s = saved.encode_s;
  speed.tokens = saved.tokens;
  const std::string path = absl::StrCat(folder, "/speed.prompt");
  WEIR_RETURN_IF_ERROR(WriteFileAtomic(path, bytes));
  std::vector<double> compute;
  std::array<std::vector<double>, kCodecLevels> load, decode;
  for (int64_t r = 0; r < rounds; ++r) {
    for (int level = 1; level <= kCodecLevels; ++level) {
      int64_t start = context.now_ns();
      WEIR_ASSIGN_OR_RETURN(const auto file, PromptFile::Open(path));
      WEIR_RETURN_IF_ERROR(LoadPrompt(model, *file, {.level = level}, context).status());
      WEIR_RETURN_IF_ERROR(model.session().Feed(file->head().tokens, context));
      load[level - 1].push_back(Seconds(context, start));
      WEIR_ASSIGN_OR_RETURN(const double mb, DecodeSpeed(*file, level, context));
      decode[level - 1].push_back(mb);
      if (r > 0) continue;
      for (int i = 0; i < file->head().chunks(); ++i) {
        speed.chunk_bytes[level - 1].push_back(file->chunk_bytes(i, level));
      }
      speed.bytes[level - 1] = saved.level_bytes[level - 1];
    }
    WEIR_ASSIGN_OR_RETURN(const auto file, PromptFile::Open(path));
    model.session().Forget();
    const int64_t start = context.now_ns();
    WEIR_RETURN_IF_ERROR(model.session().Feed(file->head().tokens, context));
    compute.push_back(Seconds(context, start));
  }
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  speed.compute_s = Median(compute);
  for (int l = 0; l < kCodecLevels; ++l) {
    speed.load_s[l] = Median(load[l]);
    speed.decode_mb_s[l] = Median(decode[l]);
  }
  return speed;
}

}  // namespace weir::generate
