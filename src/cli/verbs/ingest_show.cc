// weir ingest show: what a reader takes from a file.

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "ingest/chunk.h"
#include "text/records_json.h"

namespace weir::cli {
namespace {

struct IngestShowOptions {
  bool text = false;
  bool passages = false;
  ingest::ReadLimits limits;
  ingest::ChunkOptions chunk;
  template <class V>
  void Visit(V& v) {
    v(text, {.name = "text", .help = "Print only the text that spans count in."});
    v(passages, {.name = "passages", .help = "Print the passages that would be indexed."});
    limits.Visit(v);
    chunk.Visit(v);
  }
};

class IngestShowVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "ingest show",
            .summary = "Show what is read from a file: text, pages, blocks, warnings.",
            .arguments = "FILE",
            .example = "weir ingest show --text paper.pdf",
            .description =
                "With --text, stdout is exactly the UTF-8 text in which the start and end of "
                "every citation count bytes.",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const text::Document document,
                          ingest::ReadDocument(arguments[0], options_.limits, session.context()));
    if (options_.text) {
      session.PrintExactly(document.text);
    } else if (session.json()) {
      session.Print(text::DocumentToJson(document));
    } else if (options_.passages) {
      PrintPassages(document, session);
    } else {
      PrintSummary(document, session);
    }
    for (const std::string& warning : document.warnings) session.Note("warning: " + warning);
    return kExitDone;
  }

 private:
  void PrintPassages(const text::Document& document, Session& session) const {
    for (const text::Passage& p : ingest::Chunk(document, options_.chunk)) {
      session.Print(absl::StrCat("[", p.span.start, "-", p.span.end, "] page ", p.page, " ",
                                 p.heading, "\n", p.text, "\n"));
    }
  }
  void PrintSummary(const text::Document& document, Session& session) const {
    session.Print(absl::StrCat("path    ", document.path, "\nsha256  ", document.sha256,
                               "\nformat  ", document.format, "\ntitle   ", document.title,
                               "\npages   ", document.pages.size(), "\nblocks  ",
                               document.blocks.size(), "\nbytes   ", document.text.size()));
    for (const auto& [key, value] : document.meta)
      session.Print(absl::StrCat("meta    ", key, ": ", value));
    for (const text::Block& b : document.blocks) {
      if (b.kind != text::BlockKind::kHeading) continue;
      session.Print(absl::StrCat("h", b.level, " [", b.span.start, "-", b.span.end, "] ",
                                 document.text.substr(b.span.start, b.span.size())));
    }
  }

  IngestShowOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeIngestShowVerb() { return std::make_unique<IngestShowVerb>(); }

}  // namespace weir::cli
