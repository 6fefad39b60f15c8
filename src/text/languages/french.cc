// French: Snowball's stemmer; stop words of snowballstem.org (BSD-3-Clause).
#include "text/language.h"

namespace weir::text::languages {
namespace {

constexpr char kStopWords[] = R"(
au aux avec ce ces dans de des du elle en et eux il je la le leur lui ma mais me même mes moi
mon ne nos notre nous on ou par pas pour qu que qui sa se ses sur ta te tes toi ton tu un une
vos votre vous c d j l à m n s t y étée étées étant suis es êtes sont serai seras sera serons
serez seront serais serait serions seriez seraient étais était étions étiez étaient fus fut
fûmes fûtes furent sois soit soyons soyez soient fusse fusses fussions fussiez fussent ayant eu
eue eues eus ai avons avez ont aurai aurons aurez auront aurais aurait aurions auriez auraient
avais avait aviez avaient eut eûmes eûtes eurent aie aies ait ayons ayez aient eusse eusses eût
eussions eussiez eussent ceci cela celà cet cette ici ils les leurs quel quels quelle quelles
sans soi
)";

}  // namespace

Language French() {
  return {.name = "french",
          .codes = "fr",
          .stemmer = "french",
          .stop_words = kStopWords,
          .elisions = "l m t qu n s j d c jusqu quoiqu lorsqu puisqu"};
}

}  // namespace weir::text::languages
