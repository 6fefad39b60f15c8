// weir licenses: what is linked or loaded, and under which licence.

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Linked {
  const char* name;
  const char* licence;
  const char* use;
};

// Debian's copyright files are in /usr/share/doc/<package>/copyright.
constexpr Linked kLinked[] = {
    {"Abseil", "Apache-2.0", "status values, containers, strings"},
    {"CLD2", "Apache-2.0", "language detection"},
    {"CLI11", "BSD-3-Clause", "command line"},
    {"glibc", "LGPL-2.1-or-later", "C library"},
    {"Gumbo", "Apache-2.0", "HTML parsing"},
    {"ICU", "Unicode-DFS-2016", "character properties, normalisation, character sets"},
    {"libseccomp", "LGPL-2.1", "system-call filter of the reader processes"},
    {"libstdc++", "GPL-3.0 with GCC runtime exception", "C++ library"},
    {"libyaml", "MIT", "front matter of Markdown"},
    {"libzip", "BSD-3-Clause", "archives of model packages"},
    {"MD4C", "MIT", "Markdown parsing"},
    {"morfologik-polish", "BSD-2-Clause",
     "Polish endings learnt from it; the dictionary, where it was added"},
    {"nlohmann-json", "MIT", "JSON"},
    {"OpenSSL", "Apache-2.0", "SHA-256"},
    {"PDFium", "BSD-3-Clause and Apache-2.0",
     "PDF reading; loaded at run time in a reader process"},
    {"simdjson", "Apache-2.0", "corpora in JSON lines"},
    {"Snowball", "BSD-3-Clause", "stemming, stop words"},
    {"stop words", "BSD and Apache-2.0",
     "of Carrot2, J. Savoy and Apache Lucene, for languages without Snowball's"},
    {"SQLite", "public domain", "catalogue"},
    {"toml++", "MIT", "weir.toml"},
    {"xxHash", "BSD-2-Clause", "checksums of segments"},
    {"Zstandard", "BSD-3-Clause", "stored texts, compressed corpora"},
};

class LicensesVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "licenses",
            .summary = "List the libraries that are linked or loaded, with their licences.",
            .arguments = "",
            .example = "weir licenses"};
  }
  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    Json libraries = Json::array();
    std::string text = absl::StrFormat("%-18s %-36s %s\n", "Weir", "Apache-2.0", "this program");
    for (const Linked& l : kLinked) {
      libraries.push_back({{"name", l.name}, {"licence", l.licence}, {"use", l.use}});
      absl::StrAppendFormat(&text, "%-18s %-36s %s\n", l.name, l.licence, l.use);
    }
    session.Print(session.json() ? Json{{"version", 1}, {"libraries", libraries}}.dump() : text);
    return kExitDone;
  }
};

}  // namespace

std::unique_ptr<Verb> MakeLicensesVerb() { return std::make_unique<LicensesVerb>(); }

}  // namespace weir::cli
