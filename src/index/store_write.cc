// Adding, replacing and removing documents. Files first (written, fsynced, renamed, folder
// fsynced), then one transaction of the catalogue that names them; only then is anything
// acknowledged.
#include <unistd.h>

#include <ctime>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "index/fields/built_in.h"
#include "index/lexical/analysed.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

constexpr int64_t kMaxTextBytes = int64_t{1} << 30;

absl::Status CheckPrepared(const Prepared& p) {
  const text::Document& d = p.document;
  if (d.path.empty() || d.path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("a document without a path, or with a NUL in it");
  }
  const int64_t size = static_cast<int64_t>(d.text.size());
  if (size > kMaxTextBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(d.path, ": text of ", size, " bytes; at most ", kMaxTextBytes));
  }
  for (const text::Passage& passage : p.passages) {
    const text::Span s = passage.span;
    if (s.start < 0 || s.end < s.start || s.end > size) {
      return absl::InvalidArgumentError(absl::StrCat(d.path, ": passage [", s.start, ", ", s.end,
                                                     ") of a text of ", size, " bytes"));
    }
    if (std::string_view(d.text).substr(s.start, s.size()) != passage.text) {
      return absl::InvalidArgumentError(absl::StrCat(d.path, ": passage [", s.start, ", ", s.end,
                                                     ") does not equal the text there"));
    }
  }
  if (p.terms.has_value()) WEIR_RETURN_IF_ERROR(Annotate(CheckGivenTerms(*p.terms), d.path));
  return p.tenant.empty() ? absl::OkStatus() : CheckTenantName(p.tenant);
}

}  // namespace

struct FolderStore::NewRows {
  std::vector<const Prepared*> prepared;
  std::vector<DocumentRow> documents;
  std::vector<PassageFields> fields;  // of all passages, in order
  std::vector<int64_t> ids;           // of all passages, consecutive
  LanguageChoice languages;           // of all documents' passages; empty when all have one
};

absl::StatusOr<FolderStore::NewRows> FolderStore::AssignIds(std::span<const Prepared> batch) {
  NewRows rows;
  int64_t next_document = 0, next_passage = 0;
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(next_document, catalogue_->Counter("next_document"));
    WEIR_ASSIGN_OR_RETURN(next_passage, catalogue_->Counter("next_passage"));
  }
  // of two documents with one path the later counts
  absl::flat_hash_map<std::string_view, size_t> last;
  for (size_t i = 0; i < batch.size(); ++i) last[batch[i].document.path] = i;
  for (size_t i = 0; i < batch.size(); ++i) {
    WEIR_RETURN_IF_ERROR(CheckPrepared(batch[i]));
    WEIR_RETURN_IF_ERROR(CheckGivenFields(batch[i].given));
    if (batch[i].tenant != batch[0].tenant) {
      return absl::InvalidArgumentError("a batch with documents of several tenants");
    }
    const text::Document& d = batch[i].document;
    if (last[d.path] != i) continue;
    DocumentRow row{.id = next_document++,
                    .path = d.path,
                    .sha256 = d.sha256,
                    .title = d.title,
                    .format = d.format,
                    .size = batch[i].file_size,
                    .mtime_ns = batch[i].file_mtime_ns,
                    .text_size = static_cast<int64_t>(d.text.size()),
                    .first_passage = next_passage,
                    .passage_count = static_cast<int64_t>(batch[i].passages.size())};
    for (const text::Passage& p : batch[i].passages) {
      rows.fields.push_back(MakeFields(d.title, p.heading, p.text));
      rows.ids.push_back(next_passage++);
    }
    rows.documents.push_back(std::move(row));
    rows.prepared.push_back(&batch[i]);
  }
  return rows;
}

absl::Status FolderStore::ChooseLanguages(NewRows& rows, const Context& context) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now->analyzer != kAutoLanguage) return absl::OkStatus();
  auto analyzers = now->analyzers;
  if (const std::string& tenant = rows.prepared[0]->tenant; !tenant.empty()) {
    WEIR_ASSIGN_OR_RETURN(const auto scope, TenantScope(tenant));
    analyzers = scope->analyzers();
    analyzers.emplace_back();  // there may be none
  }
  const auto& [most, passages] = analyzers.front();
  const std::string_view usual =
      passages > 0 ? std::string_view(most).substr(0, most.find(':')) : std::string_view();
  WEIR_ASSIGN_OR_RETURN(rows.languages, LanguageChoice::Make(rows.prepared, usual, context));
  size_t row = 0;
  for (size_t i = 0; i < rows.prepared.size(); ++i) {
    for (size_t p = 0; p < rows.prepared[i]->passages.size(); ++p) {
      rows.fields[row++].analyzer = rows.languages.analyzer(i, p);
    }
  }
  return absl::OkStatus();
}

// Those that queries must pass through. None is taken out when its last passage goes: it costs a
// query little.
absl::Status FolderStore::AddLanguages(const LanguageChoice& choice) {
  if (choice.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::string before, catalogue_->Setting("languages"));
  return catalogue_->Set("languages", LanguageCountsWith(ParseLanguageCounts(before), choice));
}

absl::Status FolderStore::SetLanguageIfNew(std::string_view language) {
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(const int64_t passages, catalogue_->Counter("next_passage"));
    if (passages > 0) return absl::OkStatus();
  }
  return SetLanguage(language);
}

absl::Status FolderStore::SetLanguage(std::string_view language) {
  WEIR_RETURN_IF_ERROR(Writable());
  std::string name(kAutoLanguage);
  if (language != kAutoLanguage) {
    WEIR_ASSIGN_OR_RETURN(const auto analyzer, text::Analyzer::Make(language));
    name = analyzer->name();
  }
  if (name == snapshot()->analyzer) return absl::OkStatus();
  std::lock_guard lock(catalogue_mutex_);
  // Deleted passages count, too: they are in segments until these are merged.
  WEIR_ASSIGN_OR_RETURN(const int64_t passages, catalogue_->Counter("next_passage"));
  if (passages > 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder_, ": this store was made with the language ", snapshot()->analyzer,
                     ", not ", name, "; index into a new store (--store)"));
  }
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_RETURN_IF_ERROR(catalogue_->Set("analyzer", name));
  return Finish(transaction);
}

absl::Status FolderStore::WriteTexts(NewRows& rows, std::vector<SegmentInfo>& files) {
  WEIR_ASSIGN_OR_RETURN(auto writer,
                        TextSegmentWriter::Create(segments_folder_, SegmentName("text")));
  for (size_t i = 0; i < rows.documents.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const uint64_t start, writer->Add(rows.prepared[i]->document.text));
    rows.documents[i].text_start = static_cast<int64_t>(start);
  }
  writer->set_rows(rows.documents.size());
  WEIR_ASSIGN_OR_RETURN(SegmentInfo info, writer->Commit());
  files.push_back(std::move(info));
  return absl::OkStatus();
}

absl::Status FolderStore::CommitBatch(const NewRows& rows, const std::vector<SegmentInfo>& files) {
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  int64_t text_segment = -1;
  for (const SegmentInfo& info : files) {
    WEIR_ASSIGN_OR_RETURN(const int64_t id, catalogue_->AddSegment(info));
    if (info.kind == SegmentKind::kText) text_segment = id;
  }
  int64_t next_passage = rows.ids.empty() ? -1 : rows.ids.back() + 1;
  for (size_t i = 0; i < rows.documents.size(); ++i) {
    DocumentRow row = rows.documents[i];
    WEIR_ASSIGN_OR_RETURN(const std::optional<DocumentRow> old, catalogue_->FindDocument(row.path));
    WEIR_RETURN_IF_ERROR(StoreFields(
        row.id, *rows.prepared[i], old.has_value() ? std::optional(old->id) : std::nullopt));
    if (old.has_value()) {
      WEIR_RETURN_IF_ERROR(catalogue_->grants().Move(old->id, row.id));
      WEIR_RETURN_IF_ERROR(catalogue_->RemoveDocument(*old));
    }
    if (const std::string& tenant = rows.prepared[i]->tenant; !tenant.empty()) {
      Grants& grants = catalogue_->grants();
      WEIR_ASSIGN_OR_RETURN(const int64_t id, grants.FindOrAdd(tenant));
      WEIR_RETURN_IF_ERROR(grants.Add(id, row.id, !old.has_value()).status());
    }
    row.text_segment = text_segment;
    WEIR_RETURN_IF_ERROR(catalogue_->AddDocument(row));
    if (const auto& terms = rows.prepared[i]->terms; terms.has_value())
      WEIR_RETURN_IF_ERROR(catalogue_->given_terms().Note(row.id, *terms));
    if (!rows.languages.empty()) {
      WEIR_RETURN_IF_ERROR(catalogue_->NoteLanguages(row.id, rows.languages.Counts(i)));
    }
    int64_t id = row.first_passage;
    for (text::Passage p : rows.prepared[i]->passages) {
      p.id = id++;
      p.document = row.id;
      WEIR_RETURN_IF_ERROR(catalogue_->AddPassage(p));
    }
    WEIR_RETURN_IF_ERROR(catalogue_->RemoveFailure(row.path));
  }
  WEIR_RETURN_IF_ERROR(catalogue_->Set("next_document", rows.documents.back().id + 1));
  if (next_passage >= 0) WEIR_RETURN_IF_ERROR(catalogue_->Set("next_passage", next_passage));
  WEIR_RETURN_IF_ERROR(AddLanguages(rows.languages));
  return Finish(transaction);
}

absl::Status FolderStore::Finish(Transaction& transaction) {
  WEIR_ASSIGN_OR_RETURN(const int64_t generation, catalogue_->Counter("generation"));
  WEIR_RETURN_IF_ERROR(catalogue_->Set("generation", generation + 1));
  WEIR_RETURN_IF_ERROR(catalogue_->Set("next_segment", next_segment_));
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  return Reload();
}

void FolderStore::Discard(const std::vector<SegmentInfo>& files) {
  for (const SegmentInfo& info : files)
    ::unlink(absl::StrCat(segments_folder_, "/", info.name).c_str());
}

absl::Status FolderStore::AddBatch(std::span<const Prepared> batch, const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  if (batch.empty()) return absl::OkStatus();
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  WEIR_ASSIGN_OR_RETURN(NewRows rows, AssignIds(batch));
  WEIR_RETURN_IF_ERROR(ChooseLanguages(rows, context));
  std::vector<SegmentInfo> files;
  absl::Status written = WriteTexts(rows, files);
  if (written.ok() && !rows.ids.empty()) {
    auto info = BuildLexicalSegment(rows.fields, rows.ids, snapshot()->analyzer, segments_folder_,
                                    SegmentName("lexical"), context);
    written = info.status();
    if (info.ok()) files.push_back(*std::move(info));
  }
  if (written.ok()) written = SyncFolder(segments_folder_);
  if (!written.ok()) {
    Discard(files);
    return written;
  }
  // From here on the catalogue decides. When its commit fails the files stay: it may have gone
  // through nevertheless, and what is not named in it is removed at the next Open.
  WEIR_RETURN_IF_ERROR(CommitBatch(rows, files));
  // The batch is safe whatever becomes of the merge; one that is cancelled is due again next time.
  const absl::Status merged = Merge(false, context);
  return absl::IsCancelled(merged) ? absl::OkStatus() : merged;
}

absl::Status FolderStore::Remove(std::string_view path, std::string_view tenant) {
  WEIR_RETURN_IF_ERROR(Writable());
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(const std::optional<DocumentRow> row, catalogue_->FindDocument(path));
  if (!row.has_value()) return absl::NotFoundError(absl::StrCat(path, ": not in the store"));
  if (!tenant.empty()) WEIR_RETURN_IF_ERROR(CheckOwner(*row, tenant));
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_RETURN_IF_ERROR(catalogue_->RemoveDocument(*row));
  return Finish(transaction);
}

absl::Status FolderStore::RecordFailure(std::string_view path, std::string_view reason) {
  WEIR_RETURN_IF_ERROR(Writable());
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_RETURN_IF_ERROR(
      catalogue_->AddFailure(path, reason, static_cast<int64_t>(std::time(nullptr))));
  return transaction.Commit();
}

absl::Status FolderStore::NoteFile(std::string_view path, int64_t size, int64_t mtime_ns) {
  WEIR_RETURN_IF_ERROR(Writable());
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_RETURN_IF_ERROR(catalogue_->NoteFile(path, size, mtime_ns));
  return transaction.Commit();
}

}  // namespace weir::index
