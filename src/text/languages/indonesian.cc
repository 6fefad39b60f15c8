// Indonesian: Snowball's stemmer; stop words of snowballstem.org (BSD-3-Clause).
#include "text/language.h"

namespace weir::text::languages {
namespace {

constexpr char kStopWords[] = R"(
yang dan di dari ini pada kepada ada adalah dengan untuk dalam oleh sebagai juga ke atau tidak
itu sebuah tersebut dapat ia telah satu memiliki mereka bahwa lebih karena seorang akan seperti
secara kemudian beberapa banyak antara setelah yaitu hanya hingga serta sama dia tetapi namun
melalui bisa sehingga ketika suatu sendiri bagi semua harus setiap maka maupun tanpa saja jika
bukan belum sedangkan yakni meskipun hampir kita demikian daripada apa ialah sana begitu
seseorang selain terlalu ataupun saya bila bagaimana tapi apabila kalau kami melainkan boleh aku
anda kamu beliau kalian
)";

}  // namespace

Language Indonesian() {
  return {.name = "indonesian",
          .codes = "id",
          .stemmer = "indonesian",
          .stop_words = kStopWords};
}

}  // namespace weir::text::languages
