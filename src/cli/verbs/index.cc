// weir index: files and folders into the store.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/lexicon_source.h"
#include "cli/passage_fill.h"
#include "cli/verbs.h"
#include "index/fields/built_in.h"
#include "index/indexer.h"
#include "ingest/chunk.h"
#include "ingest/reader.h"
#include "ingest/walk.h"
#include "text/unicode.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct IndexOptions {
  index::IndexerOptions indexer;
  ingest::ChunkOptions chunk;
  ingest::ReadLimits limits;
  ingest::WalkOptions walk;
  std::string encoder;
  std::vector<std::string> encoders_beside, drop_encoders;
  bool sparse = false;
  std::string sparse_encoder;
  bool lexicon = false;
  index::LexiconOptions lexicon_options;
  bool multivector = false;
  index::FixedEncodingOptions encoding;
  std::string language;
  bool code = false;
  std::string passage_cache;
  std::string tenant;
  std::vector<std::string> field;
  PassageBeforeOptions passages;
  template <class V>
  void Visit(V& v) {
    indexer.Visit(v);
    chunk.Visit(v);
    limits.Visit(v);
    v(encoder, {.name = "encoder",
                .help = "Encoder of the passages; a name (see weir model list), with :f32 for "
                        "exact products instead of int8. Where the store has another one, that "
                        "one's vectors are searched until all new ones are there."});
    v(encoders_beside, {.name = "encoder-beside",
                        .help = "Encoders whose vectors stand beside the store's own, for searches "
                                "with --encoder; a store that has them keeps them up to date "
                                "without it."});
    v(drop_encoders, {.name = "drop-encoder", .help = "Encoders beside to remove."});
    v(sparse, {.name = "sparse",
               .help = "Whether passages get learned sparse vectors, for --mode sparse; a store "
                       "that has them keeps them up to date without it."});
    v(sparse_encoder,
      {.name = "sparse-encoder",
       .help = "Encoder of the sparse vectors; a name. Naming one means --sparse."});
    v(lexicon, {.name = "lexicon",
                .help = "The paths are files of records (JSON lines) that bring weighted words of "
                        "their own, such as pictures put into words: "
                        "{\"id\": \"a.jpg\", \"text\": \"...\", \"terms\": {\"dog\": 2.1}}."});
    lexicon_options.Visit(v);
    v(multivector, {.name = "multivector",
                    .help = "Whether passages get a vector for each of their tokens, for --mode "
                            "multi; a store that has them keeps them up to date without it."});
    encoding.Visit(v);
    v(language, {.name = "language",
                 .help = "How words are analysed in a new store: auto (by the language of each "
                         "passage, the default), or a name or code for all (polish, pl, code, "
                         "plain)."});
    v(code, {.name = "code", .help = "Read source code too."});
    v(passage_cache, {.name = "passage-cache",
                      .help = "Compute the passages for this decoder too, so that answers begin at "
                              "once (see weir index cache)."});
    passages.Visit(v);
    v(tenant, {.name = "tenant",
               .help = "Grant the documents to this tenant, unchanged ones too; it owns those that "
                       "are new."});
    v(field, {.name = "field",
              .help = "NAME=VALUE: a field for --where, of every document of this run, unchanged "
                      "ones too; may be repeated. A comma begins another value, NAME= takes the "
                      "field away."});
  }
};

// "author=Knuth" and further values behind it.
absl::StatusOr<std::vector<text::Field>> ParseFields(const std::vector<std::string>& items) {
  std::vector<text::Field> fields;
  for (const std::string& item : items) {
    const size_t equals = item.find('=');
    if (equals == item.npos && !fields.empty()) {
      fields.push_back({fields.back().name, item});
    } else if (equals == item.npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("field: \"", item, "\"; expected NAME=VALUE"));
    } else {
      fields.push_back({item.substr(0, equals), item.substr(equals + 1)});
    }
    if (!text::IsValidUtf8(item)) return absl::InvalidArgumentError("field: not valid UTF-8");
  }
  WEIR_RETURN_IF_ERROR(index::CheckGivenFields(fields));
  return fields;
}

class IndexVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "index",
        .summary = "Read files and folders into the store; unchanged files are skipped.",
        .arguments = "PATH...",
        .example = "weir index ~/papers ~/notes --language auto --code",
        .description =
            "Reads text, Markdown, HTML and PDF, each file in a process of its own without "
            "network. A document that was reported is kept, whatever happens after. Files that "
            "fail are listed by `weir index status`. Without an installed encoder the store is "
            "searched by words alone; index again once one is installed. Words are "
            "analysed by the language that a passage is in; see weir text languages, and weir "
            "model add morfologik-polish for Polish. With --lexicon the files hold records whose "
            "sparse vectors are given instead of encoded: they are searched with all others.",
        .min_arguments = 1,
        .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(options_.indexer.fields, ParseFields(options_.field));
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> files, FindFiles(arguments, session));
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kWrite));
    std::unique_ptr<text::SparseEncoder> sparse_encoder;
    WEIR_RETURN_IF_ERROR(LoadSparseEncoderIfAsked(*store, session, sparse_encoder));
    std::unique_ptr<text::TokenEncoder> token_encoder;
    WEIR_RETURN_IF_ERROR(LoadTokenEncoderIfAsked(*store, session, token_encoder));
    WEIR_RETURN_IF_ERROR(options_.language.empty() ? store->SetLanguageIfNew(index::kAutoLanguage)
                                                   : store->SetLanguage(options_.language));
    std::unique_ptr<text::Encoder> encoder;
    WEIR_RETURN_IF_ERROR(LoadEncoderIfThere(*store, session, encoder));
    for (const std::string& name : options_.drop_encoders)
      WEIR_RETURN_IF_ERROR(store->RemoveEncoder(name));
    std::vector<std::unique_ptr<text::Encoder>> beside;
    WEIR_RETURN_IF_ERROR(LoadEncodersBeside(*store, session, beside));
    options_.indexer.tenant = options_.tenant;
    index::IndexReport report;
    index::IndexerPorts ports = Ports(encoder.get(), sparse_encoder.get(), token_encoder.get());
    for (const auto& one : beside) ports.encoders_beside.push_back(one.get());
    const absl::Status done = options_.lexicon ? IndexLexicon(*store, files, ports, session, report)
                                               : IndexFiles(*store, files, ports, session, report);
    Report(report, session);
    WEIR_RETURN_IF_ERROR(done);
    WEIR_RETURN_IF_ERROR(KeepPassages(*store, session));
    return report.failed > 0 && report.added + report.unchanged == 0
               ? ExitCode(absl::DataLossError(""))
               : kExitDone;
  }

 private:
  // With --lexicon the arguments, else all files at or below them.
  absl::StatusOr<std::vector<std::string>> FindFiles(std::span<const std::string> arguments,
                                                     Session& session) {
    if (options_.lexicon) return std::vector<std::string>(arguments.begin(), arguments.end());
    for (const std::string& path : arguments) {
      std::error_code error;
      const fs::path full = fs::canonical(path, error);
      if (error) return absl::NotFoundError(absl::StrCat(path, ": ", error.message()));
      options_.indexer.roots.push_back(full.string());
    }
    options_.walk.code = options_.code;
    WEIR_ASSIGN_OR_RETURN(ingest::WalkResult walk,
                          ingest::WalkFiles(options_.indexer.roots, options_.walk));
    for (const auto& skipped : walk.skipped) {
      session.Note(absl::StrCat("skipped ", skipped.path, ": ", skipped.reason));
    }
    return std::move(walk.files);
  }

  absl::Status IndexFiles(index::Store& store, const std::vector<std::string>& files,
                          const index::IndexerPorts& ports, Session& session,
                          index::IndexReport& report) const {
    return index::IndexFiles(store, files, ports, options_.indexer, session.context(), &report)
        .status();
  }

  absl::Status IndexLexicon(index::Store& store, const std::vector<std::string>& files,
                            const index::IndexerPorts& ports, Session& session,
                            index::IndexReport& report) const {
    LexiconSource source(files, options_.lexicon_options, *ports.sparse_encoder);
    WEIR_RETURN_IF_ERROR(index::IndexRecords(store, [&] { return source.Next(); }, ports,
                                             options_.indexer, session.context(), &report)
                             .status());
    if (source.without_terms() > 0) {
      session.Note(absl::StrCat(source.without_terms(),
                                " records have no words with weights: sparse search cannot find "
                                "them"));
    }
    return absl::OkStatus();
  }

  // Stored keys and values go with their documents, and come with them where that was asked for.
  absl::Status KeepPassages(index::Store& store, Session& session) const {
    WEIR_RETURN_IF_ERROR(store.Refresh());
    WEIR_RETURN_IF_ERROR(PrunePassageCache(store, options_.passages.before, session));
    if (options_.passage_cache.empty()) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(auto engine, session.LoadEngine(options_.passage_cache, {}));
    WEIR_RETURN_IF_ERROR(UsePassageCache(*engine, {}, session));
    WEIR_ASSIGN_OR_RETURN(const FillReport report,
                          FillPassages(store, *engine, 0, options_.passages.before, session));
    session.Note(absl::StrFormat("%s: %d passages stored, %d new, %.0f bytes a passage",
                                 report.model, report.passages, report.added,
                                 report.BytesPerPassage()));
    return absl::OkStatus();
  }

  // A store keeps its encoder unless another is named. A store without vectors beats no store: only
  // a named encoder must be there.
  absl::Status LoadEncoderIfThere(const index::Store& store, Session& session,
                                  std::unique_ptr<text::Encoder>& encoder) {
    if (!options_.indexer.encode) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store.Status());
    absl::StatusOr<std::unique_ptr<text::Encoder>> loaded =
        session.LoadEncoder(options_.encoder.empty() ? status.encoder : options_.encoder);
    if (loaded.ok()) {
      encoder = *std::move(loaded);
      if (!status.encoder.empty() && encoder->name() != status.encoder) {
        session.Note(absl::StrCat("the store's vectors are of ", status.encoder,
                                  ": they are searched until every passage is encoded with ",
                                  encoder->name()));
      }
    } else if (!options_.encoder.empty() || !absl::IsUnavailable(loaded.status())) {
      return loaded.status();
    } else {
      session.Note(absl::StrCat(loaded.status().message(), "; indexing words only"));
      options_.indexer.encode = false;
    }
    return absl::OkStatus();
  }

  // Those that are named, and those that the store has; one of these may be gone from this machine.
  absl::Status LoadEncodersBeside(const index::Store& store, Session& session,
                                  std::vector<std::unique_ptr<text::Encoder>>& beside) const {
    std::vector<std::string> names = options_.encoders_beside;
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store.Status());
    for (const index::StoreStatus::Encoder& encoder : status.encoders_beside) {
      const bool named = std::find(names.begin(), names.end(), encoder.name) != names.end();
      if (!named && options_.indexer.encode && encoder.name != options_.encoder)
        names.push_back(encoder.name);
    }
    for (size_t i = 0; i < names.size(); ++i) {
      absl::StatusOr<std::unique_ptr<text::Encoder>> loaded = session.LoadEncoder(names[i]);
      if (loaded.ok()) {
        beside.push_back(*std::move(loaded));
      } else if (i < options_.encoders_beside.size() || !absl::IsUnavailable(loaded.status())) {
        return loaded.status();
      } else {
        session.Note(absl::StrCat(loaded.status().message(), "; new passages get no vector of ",
                                  names[i]));
      }
    }
    return absl::OkStatus();
  }

  // An encoder that the store had before may be gone from this machine: then the new passages wait.
  absl::Status LoadSparseEncoderIfAsked(const index::Store& store, Session& session,
                                        std::unique_ptr<text::SparseEncoder>& encoder) {
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store.Status());
    const bool asked = options_.sparse || options_.lexicon || !options_.sparse_encoder.empty();
    const bool kept = options_.indexer.encode && !status.sparse_encoder.empty();
    if (!asked && !kept) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<text::SparseEncoder>> loaded = session.LoadSparseEncoder(
        options_.sparse_encoder.empty() ? status.sparse_encoder : options_.sparse_encoder);
    if (loaded.ok()) {
      encoder = *std::move(loaded);
      if (!status.sparse_encoder.empty() && encoder->fingerprint() != status.sparse_fingerprint)
        NoteOtherSparse(status, *encoder, session);
    } else if (asked || !absl::IsUnavailable(loaded.status())) {
      return loaded.status();
    } else {
      session.Note(absl::StrCat(loaded.status().message(), "; new passages get no sparse vector"));
    }
    return absl::OkStatus();
  }

  static void NoteOtherSparse(const index::StoreStatus& status,
                              const text::SparseEncoder& encoder, Session& session) {
    session.Note(absl::StrCat("the store's sparse vectors are of ", status.sparse_encoder,
                              ": all are made anew with ", encoder.name()));
    if (status.given_terms == 0) return;
    session.Note(absl::StrCat("the words of ", status.given_terms,
                              " documents with given terms are looked up in its vocabulary; what "
                              "it cannot spell has no weight there"));
  }

  // As for the sparse ones. The model is that of the dense vectors.
  absl::Status LoadTokenEncoderIfAsked(const index::Store& store, Session& session,
                                       std::unique_ptr<text::TokenEncoder>& encoder) {
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store.Status());
    const bool kept = options_.indexer.encode && !status.multi_encoder.empty();
    if (!options_.multivector && !kept) return absl::OkStatus();
    const bool named = !options_.encoder.empty();
    absl::StatusOr<std::unique_ptr<text::TokenEncoder>> loaded =
        session.LoadTokenEncoder(named ? options_.encoder
                                 : status.multi_encoder.empty() ? status.encoder
                                                                : status.multi_encoder);
    if (loaded.ok()) {
      encoder = *std::move(loaded);
    } else if (options_.multivector || named || !absl::IsUnavailable(loaded.status())) {
      return loaded.status();
    } else {
      session.Note(absl::StrCat(loaded.status().message(), "; new passages get no token vectors"));
    }
    return absl::OkStatus();
  }

  index::IndexerPorts Ports(const text::Encoder* encoder,
                            const text::SparseEncoder* sparse_encoder,
                            const text::TokenEncoder* token_encoder) const {
    index::IndexerPorts ports;
    ports.read = [this](const std::string& path, const Context& context) {
      return ingest::ReadDocument(path, options_.limits, context);
    };
    ports.chunk = [this](const text::Document& document) {
      return ingest::Chunk(document, options_.chunk);
    };
    ports.encoder = encoder;
    ports.sparse_encoder = sparse_encoder;
    ports.token_encoder = token_encoder;
    ports.encoding = options_.encoding;
    return ports;
  }

  static void Report(const index::IndexReport& r, Session& session) {
    if (session.json()) {
      session.Print(Json{{"version", 1},
                         {"added", r.added},
                         {"unchanged", r.unchanged},
                         {"removed", r.removed},
                         {"failed", r.failed},
                         {"passages", r.passages},
                         {"granted", r.granted},
                         {"seconds", r.seconds}}
                        .dump());
      return;
    }
    session.Print(
        absl::StrFormat("%d added, %d unchanged, %d removed, %d failed; %d passages in %.1f s",
                        r.added, r.unchanged, r.removed, r.failed, r.passages, r.seconds));
    if (r.granted > 0)
      session.Note(absl::StrCat(r.granted, " of the unchanged documents granted"));
    if (r.failed > 0) session.Note("the reasons: weir index status");
  }

  IndexOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeIndexVerb() { return std::make_unique<IndexVerb>(); }

}  // namespace weir::cli
