// A decoder with a session whose cache can be filled from compressed chunks as well as by
// computing: what saving, loading and measuring of prompts share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/prompt.h"
#include "generate/prompt_cache/kv_codec.h"
#include "generate/prompt_cache/model_identity.h"
#include "generate/session.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace weir::generate {

// Keys and values of a run of tokens, [layers][tokens][width] each.
struct KvRows {
  std::vector<float> k, v;
};

// Not thread-safe.
class PromptModel {
 public:
  // `kv` as GenerateOptions; `window` is cut to the model's. Errors: those of the parts.
  static absl::StatusOr<std::unique_ptr<PromptModel>> Load(const std::string& gguf_path,
                                                           const std::string& kv, int64_t window,
                                                           const Context& context);

  const model::GgufFile& file() const { return *file_; }
  const model::Tokenizer& tokenizer() const { return *tokenizer_; }
  const model::Decoder& decoder() const { return *decoder_; }
  const PromptWriter& writer() const { return writer_; }
  Session& session() { return *session_; }
  KvCodecShape shape() const;
  // Made when first asked for: it reads all weights.
  const ModelIdentity& identity();

  // Tokens [first, first + n) of the session's cache as stored.
  absl::Status Export(int64_t first, int n, KvRows& rows);
  // Puts tokens after those that the session holds, from a chunk that the codec decodes.
  // Errors: kDataLoss (the chunk), kResourceExhausted (the window); the cache is then as before.
  absl::Status Import(std::span<const int32_t> tokens, const KvCodec& codec, std::string_view chunk,
                      Threads* threads);

 private:
  PromptModel(std::shared_ptr<const model::GgufFile> file,
              std::unique_ptr<model::Tokenizer> tokenizer,
              std::shared_ptr<const model::Decoder> decoder, std::unique_ptr<Session> session);

  std::shared_ptr<const model::GgufFile> file_;
  std::unique_ptr<model::Tokenizer> tokenizer_;
  std::shared_ptr<const model::Decoder> decoder_;
  std::unique_ptr<Session> session_;
  PromptWriter writer_;
  std::unique_ptr<ModelIdentity> identity_;
  KvRows decoded_;
};

}  // namespace weir::generate
