#include "text/stemmer.h"

#include <libstemmer.h>

#include "absl/strings/str_cat.h"

namespace weir::text {

void Stemmer::Delete::operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }

absl::StatusOr<Stemmer> Stemmer::Make(std::string_view name) {
  Stemmer out;
  if (name.empty()) return out;
  out.stemmer_.reset(sb_stemmer_new(std::string(name).c_str(), "UTF_8"));
  if (out.stemmer_ == nullptr) {
    return absl::UnavailableError(absl::StrCat("Snowball has no ", std::string(name), " stemmer"));
  }
  if (name == "porter") out.shortest_ = 3;  // it leaves them as they are, at the cost of a call
  return out;
}

void Stemmer::Stem(std::string& word) {
  if (stemmer_ == nullptr || word.size() < shortest_) return;
  const sb_symbol* stem =
      sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                      static_cast<int>(word.size()));
  if (stem == nullptr) return;  // out of memory: the unstemmed word still matches itself
  word.assign(reinterpret_cast<const char*>(stem), sb_stemmer_length(stemmer_.get()));
}

}  // namespace weir::text
