// A saved prompt on disk: whose model's it is, its tokens, and their keys and values as codec
// chunks of 256 tokens at one or more levels. Format page: docs/formats/prompt.md.
//
// Everything in a file is hostile: sizes are compared with the file and with limits before anything
// is allocated, the head and every chunk carry an XXH3 checksum, and errors name the file and the
// chunk. kDataLoss for damage, kUnimplemented for another version.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/files.h"
#include "generate/prompt_cache/kv_codec.h"
#include "generate/prompt_cache/model_identity.h"

namespace weir::generate {

enum class PromptForm : uint8_t {
  kPlain = 0,  // the tokens of the text, to be continued
  kChat = 1,   // a user message that begins with the text, to be asked about
};

struct PromptHead {
  ModelIdentity identity;
  PromptForm form = PromptForm::kPlain;
  std::string text;             // what was given to save
  std::vector<int32_t> tokens;  // keys and values are kept of all but the last
  std::vector<int> levels;      // ascending; each chunk is there at each of them

  int64_t cached() const { return static_cast<int64_t>(tokens.size()) - 1; }
  int chunks() const { return static_cast<int>((cached() + kCodecTokens - 1) / kCodecTokens); }
  // Of a chunk.
  std::span<const int32_t> chunk_tokens(int chunk) const {
    const int64_t first = int64_t{chunk} * kCodecTokens;
    return std::span(tokens).subspan(first, std::min<int64_t>(kCodecTokens, cached() - first));
  }
};

// Immutable, thread-safe.
class PromptFile {
 public:
  static absl::StatusOr<std::unique_ptr<PromptFile>> Open(const std::string& path);
  // Over bytes that outlive it; `name` is for errors.
  static absl::StatusOr<std::unique_ptr<PromptFile>> Parse(std::string_view bytes,
                                                           std::string name);

  const std::string& name() const { return name_; }
  const PromptHead& head() const { return head_; }
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }
  int64_t head_bytes() const { return head_bytes_; }  // all before the first chunk
  std::shared_ptr<const KvCodec> codec() const { return codec_; }
  // Bytes of a chunk at a level. REQUIRES: chunk < head().chunks(), level is one of head().levels.
  int64_t chunk_bytes(int chunk, int level) const { return EntryOf(chunk, level).size; }
  // Checked against its checksum.
  absl::StatusOr<std::string_view> Chunk(int chunk, int level) const;
  // Puts file and chunk before an error's message.
  absl::Status OfChunk(int chunk, int level, const absl::Status& status) const;

 private:
  struct Entry {
    uint64_t offset = 0, checksum = 0;
    uint32_t size = 0;
  };
  PromptFile() = default;
  const Entry& EntryOf(int chunk, int level) const;
  absl::Status ReadHead();
  absl::Status ReadFields(std::string_view head);

  std::string name_;
  std::shared_ptr<const MappedFile> map_;
  std::string_view bytes_;
  int64_t head_bytes_ = 0;
  PromptHead head_;
  std::shared_ptr<const KvCodec> codec_;
  std::vector<Entry> entries_;  // [chunks][levels]
};

// The bytes of a file; `chunks`: [head.chunks()][head.levels.size()].
// REQUIRES: at least two tokens; the codec has the levels.
std::string PromptFileBytes(const PromptHead& head, const KvCodec& codec,
                            std::span<const std::string> chunks);

}  // namespace weir::generate
