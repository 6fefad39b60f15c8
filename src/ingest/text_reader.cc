#include "ingest/text_reader.h"

#include <algorithm>
#include <array>

#include "ingest/document_builder.h"
#include "ingest/encoding.h"
#include "ingest/paths.h"

namespace weir::ingest {
namespace {

constexpr std::array<std::string_view, 4> kExtensions = {"txt", "text", "log", "rst"};

// C, C++, C#, CMake, CSS, Go, Haskell, Java, JavaScript, Kotlin, Lua, Objective-C, Perl, PHP,
// Python, R, Ruby, Rust, Scala, shell, SQL, Swift, TypeScript.
constexpr std::array<std::string_view, 46> kCodeExtensions = {
    "bash", "c",    "cc",   "cjs", "cmake", "cpp", "cs",  "css", "cu",  "cxx", "go",  "h",
    "hh",   "hpp",  "hs",   "hxx", "inl",   "java", "jl", "js",  "jsx", "kt",  "kts", "lua",
    "m",    "mjs",  "ml",   "mm",  "php",   "pl",  "pm",  "proto", "ps1", "py", "pyi", "r",
    "rb",   "rs",   "scala", "sh", "sql",   "swift", "ts", "tsx", "vue", "zig"};

class TextReader : public Reader {
 public:
  std::string_view format() const override { return "text"; }

  int Claims(std::string_view path, std::string_view head) const override {
    for (std::string_view e : kExtensions) {
      if (Extension(path) == e) return 50;
    }
    const std::string_view name = FileName(path);
    if (name == "README" || name == "LICENSE" || name == "NOTICE" || name == "COPYING") return 40;
    return 0;
  }

  absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) override {
    DocumentBuilder builder(format(), limits.text_mb << 20);
    std::string encoding;
    const std::string utf8 = ToUtf8(bytes, "", encoding, builder.document().warnings);
    builder.document().meta["encoding"] = encoding;
    const bool paged = utf8.find('\f') != std::string::npos;
    std::string_view left = utf8;
    for (int number = 1; !left.empty() && !builder.full(); ++number) {
      if (number > limits.pages) {
        builder.document().warnings.push_back("page limit reached; the rest is left out");
        break;
      }
      const size_t end = std::min(left.find('\f'), left.size());
      if (paged) builder.BeginPage(number, 0, 0);
      AddParagraphs(left.substr(0, end), builder);
      left.remove_prefix(std::min(end + 1, left.size()));
    }
    return builder.Finish();
  }

 private:
  static void AddParagraphs(std::string_view page, DocumentBuilder& builder) {
    size_t start = 0;      // of the paragraph
    bool content = false;  // seen since then
    for (size_t at = 0; at < page.size();) {
      const size_t line_end = std::min(page.find('\n', at), page.size());
      const std::string_view line = page.substr(at, line_end - at);
      const bool blank = line.find_first_not_of(" \t\r\v") == std::string_view::npos;
      if (blank && content) {
        AddParagraph(page.substr(start, at - start), builder);
        content = false;
      }
      if (!blank && !content) {
        start = at;
        content = true;
      }
      at = line_end + 1;
    }
    if (content) AddParagraph(page.substr(start), builder);
  }

  // Indented or aligned lines keep their line ends; wrapped prose is joined.
  static void AddParagraph(std::string_view lines, DocumentBuilder& builder) {
    int indented = 0, total = 0;
    for (size_t at = 0; at < lines.size();) {
      const size_t end = std::min(lines.find('\n', at), lines.size());
      const std::string_view line = lines.substr(at, end - at);
      ++total;
      const size_t first = line.find_first_not_of(' ');
      indented +=
          line.starts_with('\t') || (first != std::string_view::npos && first >= 4) ||
          line.find("   ", first == std::string_view::npos ? 0 : first) != std::string_view::npos;
      at = end + 1;
    }
    if (total > 1 && indented * 2 > total) {
      builder.Add(text::BlockKind::kCode, CleanLines(lines));
    } else {
      builder.Add(text::BlockKind::kParagraph, CleanInline(lines));
    }
  }
};

class CodeReader final : public TextReader {
 public:
  std::string_view format() const override { return "code"; }
  int Claims(std::string_view path, std::string_view) const override {
    return IsSourceCode(path) ? 50 : 0;
  }
  absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) override {
    absl::StatusOr<text::Document> read = TextReader::Read(bytes, limits);
    if (read.ok()) read->meta["language"] = "code";
    return read;
  }
};

}  // namespace

std::unique_ptr<Reader> MakeTextReader() { return std::make_unique<TextReader>(); }

bool IsSourceCode(std::string_view path) {
  return std::find(kCodeExtensions.begin(), kCodeExtensions.end(), Extension(path)) !=
         kCodeExtensions.end();
}

std::unique_ptr<Reader> MakeCodeReader() { return std::make_unique<CodeReader>(); }

}  // namespace weir::ingest
