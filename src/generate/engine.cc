#include "generate/engine.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/metrics.h"
#include "base/status.h"
#include "generate/completion.h"
#include "generate/constrain/constraint.h"
#include "generate/prompt.h"
#include "generate/session.h"
#include "generate/streams/kv_memory.h"
#include "generate/streams/streams.h"
#include "model/gguf.h"
#include "model/gguf_digest.h"

namespace weir::generate {
namespace {

class LocalEngine : public Engine {
 public:
  LocalEngine(std::string name, const GenerateOptions& options,
              std::shared_ptr<const model::GgufFile> file,
              std::unique_ptr<model::Tokenizer> tokenizer,
              std::shared_ptr<const model::Decoder> decoder, std::unique_ptr<KvMemory> memory,
              int64_t window, SpeculateChoice speculate)
      : name_(std::move(name)),
        options_(options),
        file_(std::move(file)),
        tokenizer_(std::move(tokenizer)),
        decoder_(std::move(decoder)),
        memory_(std::move(memory)),
        session_(Session::Over(*memory_, decoder_, window)),
        speculation_(speculate),
        prompts_(*file_, tokenizer_.get()) {}

  std::string name() const override { return name_; }
  int64_t context_tokens() const override { return session_->window(); }
  const model::Decoder& decoder() const override { return *decoder_; }
  const model::Tokenizer& tokenizer() const override { return *tokenizer_; }
  int64_t weight_bytes() const override { return decoder_->weight_bytes(); }
  int64_t cache_bytes() const override { return session_->cache_bytes(); }
  absl::StatusOr<int64_t> CountTokens(std::string_view text) const override {
    return static_cast<int64_t>(tokenizer_->Encode(text, {}).size());
  }
  absl::StatusOr<std::vector<int32_t>> PromptTokens(
      const std::vector<text::ChatMessage>& messages) const override {
    return prompts_.Tokens(messages);
  }

  absl::StatusOr<text::Completion> Complete(const text::CompletionRequest& request,
                                            const Context& context) override {
    WEIR_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt, PromptOf(request));
    WEIR_ASSIGN_OR_RETURN(const auto writer, Writer(prompt, request, context));
    std::vector<std::vector<int32_t>> quotable;
    for (const std::string& text : request.quotable) {
      quotable.push_back(tokenizer_->Encode(text, {}));
    }
    speculation_.Begin(prompt, quotable);
    const absl::StatusOr<bool> borrowed = ReadPassages(request, context);
    if (absl::IsCancelled(borrowed.status())) {
      writer->Cancel();
      return writer->Finish();
    }
    if (!borrowed.ok()) return borrowed.status();
    absl::StatusOr<text::Completion> done =
        RunCompletion(prompt, *writer, *session_, speculation_, context);
    session_->EndBorrow();
    if (done.ok()) {
      done->reused_tokens =
          *borrowed ? done->prompt_tokens - report_.computed : session_->reused();
      Count(*done, done->reused_tokens, context);
    }
    return done;
  }

  std::vector<absl::StatusOr<text::Completion>> CompleteAll(
      std::span<const text::CompletionRequest> requests, const Context& context) override;

  absl::StatusOr<std::vector<double>> LogLikelihood(const std::vector<text::ChatMessage>& messages,
                                                    std::span<const std::string> continuations,
                                                    const Context& context) override {
    WEIR_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt, prompts_.Tokens(messages));
    std::vector<Scored> list;
    for (const std::string& c : continuations) {
      WEIR_ASSIGN_OR_RETURN(Scored scored, Joined(prompt, c));
      list.push_back(std::move(scored));
    }
    return ScoreAll(list, context);
  }

  absl::StatusOr<std::vector<double>> LogLikelihoods(std::span<const ScoredPair> pairs,
                                                     const Context& context) override {
    std::vector<Scored> list;
    for (const ScoredPair& pair : pairs) {
      WEIR_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt, prompts_.Tokens(pair.messages));
      WEIR_ASSIGN_OR_RETURN(Scored scored, Joined(prompt, pair.continuation));
      list.push_back(std::move(scored));
    }
    return ScoreAll(list, context);
  }

  absl::StatusOr<PerplexityResult> Perplexity(std::string_view text, int64_t max_tokens,
                                              int64_t window, const Context& context) override;

  absl::StatusOr<PassagePrompt> PromptOver(
      const std::vector<text::ChatMessage>& messages,
      std::span<const text::PromptPassage> passages) const override {
    WEIR_ASSIGN_OR_RETURN(PromptWriter::Frame frame, prompts_.Around(messages));
    PassagePrompt prompt{std::move(frame.head), std::move(frame.tail), {}};
    for (const text::PromptPassage& passage : passages) {
      std::vector<int32_t> tokens = tokenizer_->Encode(passage.text, {});
      if (tokens.empty()) continue;
      prompt.passages.push_back({PassageKey(passage), std::move(tokens), passage.before});
    }
    return prompt;
  }

  absl::Status UsePassages(const std::string& folder,
                           const std::vector<text::ChatMessage>& messages,
                           const PassageOptions& options) override {
    WEIR_RETURN_IF_ERROR(PassageCache::Check(*session_));
    WEIR_ASSIGN_OR_RETURN(PromptWriter::Frame frame, prompts_.Around(messages));
    const PassageFingerprint fingerprint =
        PassageCache::Fingerprint(model::GgufDigest(*file_), frame.head, *session_);
    passages_ = std::make_unique<PassageCache>(PassageStore(folder, name_, fingerprint),
                                               std::move(frame.head), session_.get(),
                                               tokenizer_.get());
    passage_options_ = options;
    return absl::OkStatus();
  }
  PassageCache* passages() override { return passages_.get(); }
  void SetPassageOptions(const PassageOptions& options) override { passage_options_ = options; }
  const PassageReport& passage_report() const override { return report_; }

  absl::StatusOr<std::vector<double>> LogLikelihoodOver(const PassagePrompt& prompt,
                                                        std::span<const std::string> continuations,
                                                        const Context& context) override {
    session_->EndBorrow();
    WEIR_RETURN_IF_ERROR(ReadPassages(prompt, context).status());
    const std::vector<int32_t> tokens = prompt.Tokens();
    std::vector<double> out;
    for (const std::string& c : continuations) {
      WEIR_ASSIGN_OR_RETURN(const Scored scored, Joined(tokens, c));
      const auto score = session_->Score(scored.tokens, scored.first, context);
      if (!score.ok()) session_->EndBorrow();
      if (!score.ok()) return score.status();
      out.push_back(*score);
    }
    session_->EndBorrow();
    return out;
  }

 private:
  absl::StatusOr<std::vector<int32_t>> PromptOf(const text::CompletionRequest& request) const {
    if (request.passages.empty()) return prompts_.Tokens(request.messages);
    WEIR_ASSIGN_OR_RETURN(const PassagePrompt prompt,
                          PromptOver(request.messages, request.passages));
    return prompt.Tokens();
  }

  // True when the session now holds the request's passages.
  absl::StatusOr<bool> ReadPassages(const text::CompletionRequest& request,
                                    const Context& context) {
    session_->EndBorrow();
    report_ = {};
    if (request.passages.empty()) return false;
    WEIR_ASSIGN_OR_RETURN(const PassagePrompt prompt,
                          PromptOver(request.messages, request.passages));
    return ReadPassages(prompt, context);
  }
  absl::StatusOr<bool> ReadPassages(const PassagePrompt& prompt, const Context& context) {
    report_ = {};
    if (passages_ == nullptr || passage_options_.recompute == "prefill") return false;
    const auto head = passages_->head();
    if (!std::equal(head.begin(), head.end(), prompt.head.begin(), prompt.head.end())) return false;
    WEIR_ASSIGN_OR_RETURN(report_, passages_->Read(prompt, passage_options_, context));
    return true;
  }

  struct Scored {
    std::vector<int32_t> tokens;  // prompt and continuation
    size_t first = 0;             // of the continuation
  };

  absl::StatusOr<std::unique_ptr<CompletionWriter>> Writer(const std::vector<int32_t>& prompt,
                                                           const text::CompletionRequest& request,
                                                           const Context& context) {
    const SampleOptions sampling{.temperature = request.temperature,
                                 .top_k = options_.top_k,
                                 .top_p = options_.top_p,
                                 .min_p = options_.min_p,
                                 .repetition = options_.repetition,
                                 .seed = request.seed};
    std::unique_ptr<Constraint> constraint;
    if (!request.grammar.empty() || !request.json_schema.empty()) {
      if (vocabulary_ == nullptr)
        vocabulary_ = std::make_shared<const VocabularyPieces>(*tokenizer_);
      WEIR_ASSIGN_OR_RETURN(constraint,
                            Constraint::Make(request.grammar, request.json_schema, vocabulary_));
    }
    return CompletionWriter::Make(prompt, request, sampling, std::move(constraint), *tokenizer_,
                                  context.now_ns);
  }

  absl::StatusOr<Streams::Id> Submit(const text::CompletionRequest& request,
                                     const Context& context) {
    WEIR_ASSIGN_OR_RETURN(std::vector<int32_t> prompt, PromptOf(request));
    WEIR_ASSIGN_OR_RETURN(auto writer, Writer(prompt, request, context));
    return streams_->Submit(std::move(prompt), std::move(writer));
  }

  static void Count(const text::Completion& done, int64_t reused, const Context& context) {
    if (context.metrics == nullptr) return;
    context.metrics->Add("generate_prompt_tokens", static_cast<double>(done.prompt_tokens));
    context.metrics->Add("generate_reused_prompt_tokens", static_cast<double>(reused));
    context.metrics->Add("generate_tokens", static_cast<double>(done.tokens));
    context.metrics->Add("generate_drafted_tokens", static_cast<double>(done.drafted));
    context.metrics->Add("generate_accepted_tokens", static_cast<double>(done.accepted));
    context.metrics->Add("generate_draft_passes", static_cast<double>(done.draft_passes));
  }

  absl::StatusOr<Scored> Joined(const std::vector<int32_t>& prompt,
                                std::string_view continuation) const {
    if (prompt.empty()) return absl::InvalidArgumentError("log-likelihood: an empty prompt");
    Scored scored{prompt, prompt.size()};
    const std::vector<int32_t> more = tokenizer_->Encode(continuation, {});
    scored.tokens.insert(scored.tokens.end(), more.begin(), more.end());
    return scored;
  }

  // In the order of their tokens, so that neighbours share the longest prefixes.
  absl::StatusOr<std::vector<double>> ScoreAll(const std::vector<Scored>& list,
                                               const Context& context) {
    std::vector<size_t> order(list.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return list[a].tokens < list[b].tokens; });
    std::vector<double> out(list.size());
    for (size_t i : order) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      WEIR_ASSIGN_OR_RETURN(out[i], session_->Score(list[i].tokens, list[i].first, context));
    }
    return out;
  }

  std::string name_;
  GenerateOptions options_;
  std::shared_ptr<const model::GgufFile> file_;
  std::unique_ptr<model::Tokenizer> tokenizer_;
  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<KvMemory> memory_;
  std::unique_ptr<Session> session_;
  Speculation speculation_;
  std::unique_ptr<Streams> streams_;  // made when several requests first come together
  PromptWriter prompts_;
  std::unique_ptr<PassageCache> passages_;  // works on *session_
  PassageOptions passage_options_;
  PassageReport report_;
  std::shared_ptr<const VocabularyPieces> vocabulary_;  // made when a grammar is first asked for
};

std::vector<absl::StatusOr<text::Completion>> LocalEngine::CompleteAll(
    std::span<const text::CompletionRequest> requests, const Context& context) {
  if (requests.size() == 1) return {Complete(requests[0], context)};
  if (streams_ == nullptr) {
    const StreamsOptions options{.window = session_->window(), .slots = options_.streams};
    streams_ = std::make_unique<Streams>(decoder_, *memory_, options);
  }
  session_->Keep();  // its prompt serves the streams as well, and they may need its memory
  session_->Forget();
  std::vector<absl::StatusOr<text::Completion>> all(requests.size(),
                                                    absl::InternalError("stream: no result"));
  std::map<Streams::Id, size_t> places;
  for (size_t i = 0; i < requests.size(); ++i) {
    const absl::StatusOr<Streams::Id> id = Submit(requests[i], context);
    if (id.ok()) {
      places[*id] = i;
    } else {
      all[i] = id.status();
    }
  }
  while (!streams_->idle()) {
    streams_->Step(context);
    for (Streams::Finished& finished : streams_->TakeFinished()) {
      if (finished.completion.ok()) {
        finished.completion->reused_tokens = finished.reused;
        Count(*finished.completion, finished.reused, context);
      }
      all[places.at(finished.id)] = std::move(finished.completion);
    }
  }
  return all;
}

// Each window starts anew; where the model asks for BOS it replaces the window's first token, as in
// llama.cpp's tool. Tokens [window / 2 + 1, window) are scored.
absl::StatusOr<Engine::PerplexityResult> LocalEngine::Perplexity(std::string_view text,
                                                                 int64_t max_tokens, int64_t window,
                                                                 const Context& context) {
  if (window < 4 || window > session_->window()) {
    return absl::InvalidArgumentError(absl::StrCat("perplexity: a window of ", window,
                                                   " tokens; expected 4 to ", session_->window()));
  }
  std::vector<int32_t> tokens = tokenizer_->Encode(text, {});
  // The tokenizer knows the model's rule, which a file may leave to its pre-tokenizer's default.
  const std::vector<int32_t> special = tokenizer_->Encode("a", {.add_special = true});
  const bool bos = tokenizer_->bos() >= 0 && special.size() > 1 && special[0] == tokenizer_->bos();
  if (bos) tokens.insert(tokens.begin(), tokenizer_->bos());
  int64_t usable = static_cast<int64_t>(tokens.size());
  if (max_tokens > 0) usable = std::min(usable, max_tokens);
  const int64_t windows = usable / window;
  if (windows == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("perplexity: ", usable, " tokens; expected at least ", window));
  }
  double sum = 0;
  PerplexityResult result;
  for (int64_t w = 0; w < windows; ++w) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    std::span<int32_t> part(&tokens[w * window], static_cast<size_t>(window));
    if (bos) part[0] = tokenizer_->bos();
    WEIR_ASSIGN_OR_RETURN(const double score, session_->Score(part, window / 2 + 1, context));
    sum += score;
    result.tokens += window;
    result.scored += window - window / 2 - 1;
  }
  result.perplexity = std::exp(-sum / static_cast<double>(result.scored));
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Load(const std::string& gguf_path, std::string name,
                                                     const GenerateOptions& options,
                                                     const Context& context,
                                                     const Registry& techniques) {
  WEIR_ASSIGN_OR_RETURN(const KvChoice kv, ParseKvChoice(options.kv, techniques));
  WEIR_ASSIGN_OR_RETURN(const SpeculateChoice speculate,
                        ParseSpeculate(options.speculate.speculate));
  WEIR_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(gguf_path));
  WEIR_ASSIGN_OR_RETURN(auto tokenizer, model::Tokenizer::FromGguf(*file));
  WEIR_ASSIGN_OR_RETURN(auto decoder, model::Decoder::Load(file, context));
  if (tokenizer->vocabulary_size() != decoder->shape().vocabulary) {
    return absl::DataLossError(absl::StrCat(gguf_path, ": the tokenizer has ",
                                            tokenizer->vocabulary_size(), " tokens, the decoder ",
                                            decoder->shape().vocabulary));
  }
  const int64_t window = std::min(options.context, decoder->shape().context);
  const KvShape shape = KvShapeOf(decoder->shape());
  WEIR_ASSIGN_OR_RETURN(auto policy, KvPolicy::Make(kv, shape, techniques));
  // One block beside the window: a tail that is kept is copied before it grows.
  WEIR_ASSIGN_OR_RETURN(auto memory, KvMemory::Make(std::move(policy), shape,
                                                    window + kBlockTokens + options.prompt_cache));
  return std::make_unique<LocalEngine>(std::move(name), options, std::move(file),
                                       std::move(tokenizer), std::move(decoder), std::move(memory),
                                       window, speculate);
}

}  // namespace weir::generate
