// Yiddish: Snowball's stemmer; no stop words.
#include "text/language.h"

namespace weir::text::languages {
Language Yiddish() {
  return {.name = "yiddish",
          .codes = "yi",
          .stemmer = "yiddish"};
}

}  // namespace weir::text::languages
