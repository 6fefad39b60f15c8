// Serbian: Snowball's stemmer; stop words Apache Lucene's, Apache-2.0.
#include "text/language.h"

namespace weir::text::languages {
namespace {

constexpr char kStopWords[] = R"(
i ili a ali pa biti ne jesam sam jesi si je jesmo smo jeste ste jesu su nijesam nisam nijesi
nisi nije nijesmo nismo nijeste niste nijesu nisu budem budeš bude budemo budete budu budes bih
bi bismo biste biše bise bio bili budimo budite bila bilo bile ću ćeš će ćemo ćete neću nećeš
neće nećemo nećete cu ces ce cemo cete necu neces nece necemo necete mogu možeš može možemo
možete mozes moze mozemo mozete и или а али па бити не јесам сам јеси си је јесмо смо јесте сте
јесу су нијесам нисам нијеси ниси није нијесмо нисмо нијесте нисте нијесу нису будем будеш буде
будемо будете буду будес бих би бисмо бисте бише бисе био били будимо будите била било биле ћу
ћеш ће ћемо ћете нећу нећеш неће нећемо нећете цу цес це цемо цете нецу нецес неце нецемо нецете
могу можеш може можемо можете мозес мозе моземо мозете
)";

}  // namespace

Language Serbian() {
  return {.name = "serbian",
          .codes = "sr",
          .stemmer = "serbian",
          .stop_words = kStopWords};
}

}  // namespace weir::text::languages
