// A Snowball stemmer with errors as values. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct sb_stemmer;

namespace weir::text {

class Stemmer {
 public:
  // "" for a stemmer that changes nothing. kUnavailable when libstemmer has none of this name.
  static absl::StatusOr<Stemmer> Make(std::string_view name);
  // Turns a folded word into its stem, in place.
  void Stem(std::string& word);

 private:
  struct Delete {
    void operator()(sb_stemmer* stemmer) const;
  };
  Stemmer() = default;
  std::unique_ptr<sb_stemmer, Delete> stemmer_;
  size_t shortest_ = 0;  // bytes; shorter words stay as they are
};

}  // namespace weir::text
