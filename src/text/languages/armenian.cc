// Armenian: Snowball's stemmer; stop words Apache Lucene's, Apache-2.0.
#include "text/language.h"

namespace weir::text::languages {
namespace {

constexpr char kStopWords[] = R"(
այդ այլ այն այս դու դուք եմ են ենք ես եք է էի էին էինք էիր էիք էր ըստ թ ի ին իսկ իր կամ համար
հետ հետո մենք մեջ մի ն նա նաև նրա նրանք որ որը որոնք որպես ու ում պիտի վրա և
)";

}  // namespace

Language Armenian() {
  return {.name = "armenian",
          .codes = "hy",
          .stemmer = "armenian",
          .stop_words = kStopWords};
}

}  // namespace weir::text::languages
