#include "generate/prompt_cache/prompt_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::generate {

absl::StatusOr<std::unique_ptr<PromptModel>> PromptModel::Load(const std::string& gguf_path,
                                                               const std::string& kv,
                                                               int64_t window,
                                                               const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const KvChoice choice, ParseKvChoice(kv));
  WEIR_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(gguf_path));
  WEIR_ASSIGN_OR_RETURN(auto tokenizer, model::Tokenizer::FromGguf(*file));
  WEIR_ASSIGN_OR_RETURN(auto decoder, model::Decoder::Load(file, context));
  if (tokenizer->vocabulary_size() != decoder->shape().vocabulary) {
    return absl::DataLossError(absl::StrCat(gguf_path, ": the tokenizer has ",
                                            tokenizer->vocabulary_size(), " tokens, the decoder ",
                                            decoder->shape().vocabulary));
  }
  WEIR_ASSIGN_OR_RETURN(
      auto session, Session::Make(decoder, choice, std::min(window, decoder->shape().context)));
  return std::unique_ptr<PromptModel>(new PromptModel(std::move(file), std::move(tokenizer),
                                                      std::move(decoder), std::move(session)));
}

PromptModel::PromptModel(std::shared_ptr<const model::GgufFile> file,
                         std::unique_ptr<model::Tokenizer> tokenizer,
                         std::shared_ptr<const model::Decoder> decoder,
                         std::unique_ptr<Session> session)
    : file_(std::move(file)),
      tokenizer_(std::move(tokenizer)),
      decoder_(std::move(decoder)),
      session_(std::move(session)),
      writer_(*file_, tokenizer_.get()) {}

KvCodecShape PromptModel::shape() const {
  const model::DecoderShape& s = decoder_->shape();
  return {s.layers, s.kv_heads, s.head_dim};
}

const ModelIdentity& PromptModel::identity() {
  if (identity_ == nullptr) {
    identity_ = std::make_unique<ModelIdentity>(ModelIdentity::Of(*file_, decoder_->shape()));
  }
  return *identity_;
}

absl::Status PromptModel::Export(int64_t first, int n, KvRows& rows) {
  const KvCodecShape s = shape();
  const size_t size = static_cast<size_t>(n) * s.width();
  rows.k.resize(size * s.layers);
  rows.v.resize(size * s.layers);
  for (int layer = 0; layer < s.layers; ++layer) {
    WEIR_RETURN_IF_ERROR(session_->sequence().Read(layer, first, n, &rows.k[layer * size],
                                                   &rows.v[layer * size]));
  }
  return absl::OkStatus();
}

absl::Status PromptModel::Import(std::span<const int32_t> tokens, const KvCodec& codec,
                                 std::string_view chunk, Threads* threads) {
  const KvCodecShape s = shape();
  const auto n = static_cast<int64_t>(tokens.size());
  if (codec.shape() != s) {
    return absl::InvalidArgumentError("saved prompt: its codec is of another model's shape");
  }
  if (session_->size() + n > session_->window()) {
    return absl::ResourceExhaustedError(absl::StrCat("saved prompt: ", session_->size() + n,
                                                     " tokens; the window holds ",
                                                     session_->window()));
  }
  const size_t size = static_cast<size_t>(n) * s.width();
  decoded_.k.resize(size * s.layers);
  decoded_.v.resize(size * s.layers);
  WEIR_RETURN_IF_ERROR(codec.Decode(chunk, static_cast<int>(n), decoded_.k.data(),
                                    decoded_.v.data(), threads));
  PagedSequence& sequence = session_->sequence();
  WEIR_RETURN_IF_ERROR(sequence.Reserve(n));
  for (int layer = 0; layer < s.layers; ++layer) {
    sequence.Append(layer, n, &decoded_.k[layer * size], &decoded_.v[layer * size], threads);
  }
  sequence.Commit(n);
  session_->Adopt(tokens);
  return absl::OkStatus();
}

}  // namespace weir::generate
