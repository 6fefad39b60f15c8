// Token bytes in, safe text out. Holds back what may still become part of a stop string or of an
// unfinished UTF-8 sequence, so that what was emitted never has to be taken back: no part of a stop
// string and no broken character ever reaches the caller. Malformed bytes come out as U+FFFD.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::generate {

class TextStream {
 public:
  // Errors: kInvalidArgument for more than 64 stop strings, an empty one, or one above 4096 bytes.
  static absl::StatusOr<TextStream> Make(std::vector<std::string> stops);

  // Adds a token's bytes and returns the text that is now certain (maybe "").
  std::string Push(std::string_view bytes);
  // At the end of generation: what was held back. "" after a stop string.
  std::string Finish();
  // A stop string was completed; it and all that follows are dropped.
  bool stopped() const { return stopped_; }

 private:
  explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  size_t StopPosition() const;  // of the earliest complete stop string in held_, or npos
  size_t HeldForStops() const;  // bytes at the end that begin a stop string

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

// Bytes at the end of `bytes` that begin a UTF-8 sequence whose rest is missing: 0 to 3.
size_t UnfinishedUtf8(std::string_view bytes);

}  // namespace weir::generate
