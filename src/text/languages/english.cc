// English: Porter's stemmer, as the reference figures of BEIR use it, and the 33 stop words of
// Lucene's EnglishAnalyzer (Apache-2.0): short enough that "not" questions lose little.
#include "text/language.h"

namespace weir::text::languages {

Language English() {
  return {.name = "english",
          .codes = "en",
          .stemmer = "porter",
          .stop_words = R"(
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
)",
          .possessive = true};
}

}  // namespace weir::text::languages
