#include "index/indexer.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/progress.h"
#include "base/status.h"
#include "index/read_ahead.h"

namespace weir::index {
namespace {

// Collects documents and stores them when a batch is full.
class Batcher {
 public:
  Batcher(Store& store, const IndexerOptions& options, const Context& context, IndexReport& report)
      : store_(store), options_(options), context_(context), report_(report) {
    context_.cancel = nullptr;  // what was read is stored, also after an interruption
  }

  absl::Status Add(Prepared prepared) {
    prepared.tenant = options_.tenant;
    prepared.given = options_.fields;
    bytes_ += static_cast<int64_t>(prepared.document.text.size());
    if (prepared.terms.has_value())
      bytes_ += static_cast<int64_t>(prepared.terms->size() * sizeof(GivenTerm));
    batch_.push_back(std::move(prepared));
    const bool full = static_cast<int64_t>(batch_.size()) >= options_.batch_documents ||
                      bytes_ >> 20 >= options_.batch_mb;
    return full ? Flush() : absl::OkStatus();
  }

  absl::Status Flush() {
    if (batch_.empty()) return absl::OkStatus();
    absl::Status status = store_.AddBatch(batch_, context_);
    if (status.ok()) {
      Count(batch_);
    } else if (absl::IsInvalidArgument(status)) {
      status = OneByOne();
    }
    batch_.clear();
    bytes_ = 0;
    return status;
  }

 private:
  void Count(std::span<const Prepared> stored) {
    report_.added += static_cast<int64_t>(stored.size());
    for (const Prepared& p : stored) report_.passages += static_cast<int64_t>(p.passages.size());
  }

  // Some document of the batch contradicts itself: find it, keep the others.
  absl::Status OneByOne() {
    for (const Prepared& p : batch_) {
      const absl::Status status = store_.AddBatch({&p, 1}, context_);
      if (status.ok()) {
        Count({&p, 1});
      } else if (absl::IsInvalidArgument(status)) {
        WEIR_RETURN_IF_ERROR(store_.RecordFailure(p.document.path, status.message()));
        ++report_.failed;
      } else {
        return status;
      }
    }
    return absl::OkStatus();
  }

  Store& store_;
  const IndexerOptions& options_;
  Context context_;
  IndexReport& report_;
  std::vector<Prepared> batch_;
  int64_t bytes_ = 0;
};

bool Below(const std::string& path, const std::vector<std::string>& roots) {
  return std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
    if (root.empty() || !path.starts_with(root)) return false;
    return path.size() == root.size() || root.back() == '/' || path[root.size()] == '/';
  });
}

// A tenant that does not own it only loses sight of it.
absl::Status RemoveOne(Store& store, const std::string& path, const std::string& tenant) {
  const absl::Status removed = store.Remove(path, tenant);
  return absl::IsPermissionDenied(removed) ? store.Revoke(tenant, {&path, 1}).status() : removed;
}

absl::Status RemoveMissing(Store& store, const IndexerOptions& options, IndexReport& report) {
  if (options.roots.empty()) return absl::OkStatus();
  const std::string& tenant = options.tenant;
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                        tenant.empty() ? store.Paths() : store.Paths(tenant));
  for (const std::string& path : paths) {
    std::error_code error;
    if (!Below(path, options.roots) || std::filesystem::exists(path, error) || error) continue;
    WEIR_RETURN_IF_ERROR(RemoveOne(store, path, tenant));
    ++report.removed;
  }
  return absl::OkStatus();
}

// What this run says of documents that stay as they are.
absl::Status TellUnchanged(Store& store, const IndexerOptions& options,
                           const std::vector<std::string>& paths, IndexReport& report) {
  report.unchanged += static_cast<int64_t>(paths.size());
  if (paths.empty()) return absl::OkStatus();
  if (!options.tenant.empty()) {
    WEIR_ASSIGN_OR_RETURN(const int64_t granted, store.Grant(options.tenant, paths));
    report.granted += granted;
  }
  return store.GiveFields(paths, options.fields);
}

// Documents that an older weir stored are read again for their fields alone.
class FieldReader {
 public:
  explicit FieldReader(Store& store) : store_(store) {}
  bool Wants(const Prepared& p) const {
    return store_.IsCurrent(p.document.path, p.document.sha256) &&
           store_.LacksFields(p.document.path);
  }
  absl::Status Add(Prepared prepared) {
    prepared.document.text.clear();
    prepared.passages.clear();
    batch_.push_back(std::move(prepared));
    constexpr size_t kBatch = 256;
    return batch_.size() < kBatch ? absl::OkStatus() : Flush();
  }
  absl::Status Flush() {
    if (batch_.empty()) return absl::OkStatus();
    WEIR_RETURN_IF_ERROR(store_.NoteFields(batch_));
    for (const Prepared& p : batch_) {
      if (p.file_mtime_ns < 0) continue;
      WEIR_RETURN_IF_ERROR(store_.NoteFile(p.document.path, p.file_size, p.file_mtime_ns));
    }
    batch_.clear();
    return absl::OkStatus();
  }

 private:
  Store& store_;
  std::vector<Prepared> batch_;
};

// Leaves the files that must be read. Unchanged ones cost a stat, touched ones a hash.
absl::Status DropUnchanged(Store& store, const std::vector<std::string>& files,
                           const IndexerOptions& options, const Context& context,
                           std::vector<FileState>& changed, IndexReport& report) {
  std::vector<std::string> unchanged;
  for (const std::string& path : files) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    absl::StatusOr<FileState> state = StatFile(path);
    if (!state.ok()) {
      WEIR_RETURN_IF_ERROR(store.RecordFailure(path, state.status().message()));
      ++report.failed;
      continue;
    }
    if (store.IsUnchanged(path, state->size, state->mtime_ns)) {
      unchanged.push_back(path);
      if (store.LacksFields(path)) changed.push_back(*std::move(state));
      continue;
    }
    if (absl::StatusOr<std::string> hash = Sha256File(path);
        hash.ok() && store.IsCurrent(path, *hash)) {
      if (state->mtime_ns >= 0)
        WEIR_RETURN_IF_ERROR(store.NoteFile(path, state->size, state->mtime_ns));
      unchanged.push_back(path);
      if (store.LacksFields(path)) changed.push_back(*std::move(state));
      continue;
    }
    changed.push_back(*std::move(state));
  }
  return TellUnchanged(store, options, unchanged, report);
}

absl::Status ReadAll(Store& store, std::vector<FileState> files, const IndexerPorts& ports,
                     const IndexerOptions& options, const Context& context, IndexReport& report) {
  const size_t count = files.size();
  if (context.progress != nullptr)
    context.progress->Start("indexing", static_cast<int64_t>(count), "files");
  ReadAhead reader(std::move(files), ports, context);
  Batcher batcher(store, options, context, report);
  FieldReader fields(store);
  for (size_t i = 0; i < count && context.CheckCancelled().ok(); ++i) {
    ReadAhead::Result result = reader.Next();
    if (result.prepared.ok() && fields.Wants(*result.prepared)) {
      WEIR_RETURN_IF_ERROR(fields.Add(*std::move(result.prepared)));
    } else if (result.prepared.ok()) {
      WEIR_RETURN_IF_ERROR(batcher.Add(*std::move(result.prepared)));
    } else if (!absl::IsCancelled(result.prepared.status())) {
      WEIR_RETURN_IF_ERROR(
          store.RecordFailure(result.file.path, result.prepared.status().message()));
      ++report.failed;
    }
    if (context.progress != nullptr) context.progress->Advance(1);
  }
  absl::Status status = batcher.Flush();
  status.Update(fields.Flush());
  if (context.progress != nullptr) context.progress->Finish();
  WEIR_RETURN_IF_ERROR(status);
  return context.CheckCancelled();
}

// What the passages lack of each encoder.
absl::Status EncodeWith(Store& store, const IndexerPorts& ports, const IndexerOptions& options,
                        const Context& context) {
  if (options.encode && ports.encoder != nullptr) {
    WEIR_RETURN_IF_ERROR(store.EncodePending(*ports.encoder, context));
  }
  for (const text::Encoder* encoder : ports.encoders_beside)
    WEIR_RETURN_IF_ERROR(store.EncodeBeside(*encoder, context));
  if (ports.sparse_encoder != nullptr) {
    WEIR_RETURN_IF_ERROR(store.EncodePending(*ports.sparse_encoder, context));
  }
  if (ports.token_encoder == nullptr) return absl::OkStatus();
  return store.EncodePending(*ports.token_encoder, ports.encoding, context);
}

absl::Status IndexInto(Store& store, std::vector<std::string> files, const IndexerPorts& ports,
                       const IndexerOptions& options, const Context& context, IndexReport& report) {
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  WEIR_RETURN_IF_ERROR(RemoveMissing(store, options, report));
  std::vector<FileState> changed;
  WEIR_RETURN_IF_ERROR(DropUnchanged(store, files, options, context, changed, report));
  if (!changed.empty()) {
    WEIR_RETURN_IF_ERROR(ReadAll(store, std::move(changed), ports, options, context, report));
  }
  return EncodeWith(store, ports, options, context);
}

}  // namespace

absl::StatusOr<IndexReport> IndexFiles(Store& store, std::vector<std::string> files,
                                       const IndexerPorts& ports, const IndexerOptions& options,
                                       const Context& context, IndexReport* filled) {
  const int64_t begin = context.now_ns();
  store.ReorderFrom(options.reorder_from);
  IndexReport report;
  const absl::Status status = IndexInto(store, std::move(files), ports, options, context, report);
  report.seconds = static_cast<double>(context.now_ns() - begin) * 1e-9;
  if (filled != nullptr) *filled = report;
  if (!status.ok()) return status;
  return report;
}

namespace {

Prepared Prepare(Record record) {
  Prepared p;
  p.document.path = std::move(record.id);
  p.document.title = std::move(record.title);
  p.document.text = std::move(record.text);
  p.document.fields = std::move(record.fields);
  p.document.format = std::move(record.format);
  p.terms = std::move(record.terms);
  std::string hashed = absl::StrCat(p.document.title, "\n", p.document.text);
  if (p.terms.has_value()) {
    absl::StrAppend(&hashed, std::string_view("\0", 1), PackTerms(*p.terms));
    for (const text::Field& f : p.document.fields)
      absl::StrAppend(&hashed, std::string_view("\0", 1), f.name, "=", f.value);
  }
  p.document.sha256 = Sha256(hashed);
  return p;
}

// Until the source ends, fails or the run is cancelled.
absl::Status ReadRecords(Store& store, const RecordSource& next, const IndexerOptions& options,
                         const Context& context, Batcher& batcher,
                         std::vector<std::string>& unchanged, IndexReport& report) {
  while (true) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(std::optional<Record> record, next());
    if (!record.has_value()) return absl::OkStatus();
    if (context.progress != nullptr) context.progress->Advance(1);
    if (record->deleted) {
      const absl::Status removed = RemoveOne(store, record->id, options.tenant);
      if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
      report.removed += removed.ok();
      continue;
    }
    Prepared p = Prepare(*std::move(record));
    if (store.IsCurrent(p.document.path, p.document.sha256)) {
      unchanged.push_back(p.document.path);
      continue;
    }
    text::Passage passage;
    passage.span = {0, static_cast<int64_t>(p.document.text.size())};
    passage.text = p.document.text;
    p.passages.push_back(std::move(passage));
    WEIR_RETURN_IF_ERROR(batcher.Add(std::move(p)));
  }
}

absl::Status RecordsInto(Store& store, const RecordSource& next, const IndexerPorts& ports,
                         const IndexerOptions& options, const Context& context,
                         IndexReport& report) {
  IndexerOptions wide = options;  // records are small: the batch is bounded by its bytes
  wide.batch_documents = std::max<int64_t>(options.batch_documents, 1 << 16);
  Batcher batcher(store, wide, context, report);
  std::vector<std::string> unchanged;
  if (context.progress != nullptr) context.progress->Start("reading", 0, "records");
  absl::Status status = ReadRecords(store, next, options, context, batcher, unchanged, report);
  if (context.progress != nullptr) context.progress->Finish();
  status.Update(batcher.Flush());
  WEIR_RETURN_IF_ERROR(status);
  WEIR_RETURN_IF_ERROR(TellUnchanged(store, options, unchanged, report));
  return EncodeWith(store, ports, options, context);
}

}  // namespace

absl::StatusOr<IndexReport> IndexRecords(Store& store, const RecordSource& next,
                                         const IndexerPorts& ports, const IndexerOptions& options,
                                         const Context& context, IndexReport* filled) {
  const int64_t begin = context.now_ns();
  store.ReorderFrom(options.reorder_from);
  IndexReport report;
  const absl::Status status = RecordsInto(store, next, ports, options, context, report);
  report.seconds = static_cast<double>(context.now_ns() - begin) * 1e-9;
  if (filled != nullptr) *filled = report;
  if (!status.ok()) return status;
  return report;
}

}  // namespace weir::index
