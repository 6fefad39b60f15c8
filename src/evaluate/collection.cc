#include "evaluate/collection.h"

#include <stdlib.h>

#include <filesystem>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "evaluate/beir.h"

namespace weir::evaluate {
namespace {

// A batch is one commit: large enough that syncing costs little, small enough for memory.
constexpr size_t kBatchDocuments = 2048;
constexpr size_t kBatchBytes = 16 << 20;

index::Prepared Prepare(BeirRecord record, std::string sha256, std::string text) {
  index::Prepared prepared;
  prepared.document.path = std::move(record.id);
  prepared.document.sha256 = std::move(sha256);
  prepared.document.format = "text";
  prepared.document.title = std::move(record.title);
  prepared.document.text = std::move(text);
  text::Passage passage;
  passage.span = {0, static_cast<int64_t>(prepared.document.text.size())};
  passage.text = prepared.document.text;
  prepared.passages.push_back(std::move(passage));
  return prepared;
}

absl::StatusOr<std::string> TemporaryFolder() {
  std::error_code error;
  std::string pattern = (std::filesystem::temp_directory_path(error) / "weir-eval-XXXXXX").string();
  if (error || mkdtemp(pattern.data()) == nullptr) return ErrnoStatus(errno, "temporary folder");
  return pattern;
}

// Documents on their way into the store.
class Adder {
 public:
  Adder(index::Store& store, const Context& context) : store_(store), context_(context) {}

  absl::Status Add(BeirRecord record) {
    std::string text =
        record.title.empty() ? record.text : absl::StrCat(record.title, "\n", record.text);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return absl::OkStatus();
    std::string sha256 = Sha256(text);
    seen_.insert(record.id);
    if (store_.IsCurrent(record.id, sha256)) return absl::OkStatus();
    bytes_ += text.size();
    batch_.push_back(Prepare(std::move(record), std::move(sha256), std::move(text)));
    return batch_.size() >= kBatchDocuments || bytes_ >= kBatchBytes ? Flush() : absl::OkStatus();
  }

  absl::Status Flush() {
    if (batch_.empty()) return absl::OkStatus();
    WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
    WEIR_RETURN_IF_ERROR(store_.AddBatch(batch_, context_));
    batch_.clear();
    bytes_ = 0;
    return absl::OkStatus();
  }

  // What an earlier corpus left behind.
  absl::Status RemoveOthers() {
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> paths, store_.Paths());
    for (const std::string& path : paths) {
      if (!seen_.contains(path)) WEIR_RETURN_IF_ERROR(store_.Remove(path));
    }
    return absl::OkStatus();
  }

 private:
  index::Store& store_;
  const Context& context_;
  std::vector<index::Prepared> batch_;
  size_t bytes_ = 0;
  absl::flat_hash_set<std::string> seen_;
};

}  // namespace

absl::Status Collection::Add(const std::string& corpus_path, const Context& context) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, LineReader::Open(corpus_path));
  Adder adder(*store_, context);
  WEIR_RETURN_IF_ERROR(ReadBeirRecords(
      *lines, [&](BeirRecord record) { return adder.Add(std::move(record)); }));
  WEIR_RETURN_IF_ERROR(adder.Flush());
  return adder.RemoveOthers();
}

absl::StatusOr<std::unique_ptr<Collection>> Collection::Open(const std::string& corpus_path,
                                                             const std::string& keep,
                                                             retrieve::Encoders encoders,
                                                             const index::FixedEncodingOptions&
                                                                 encoding,
                                                             std::string_view language,
                                                             const Context& context) {
  std::unique_ptr<Collection> collection(new Collection);
  if (keep.empty()) {
    WEIR_ASSIGN_OR_RETURN(collection->temporary_, TemporaryFolder());
  }
  const std::string& folder = keep.empty() ? collection->temporary_ : keep;
  WEIR_ASSIGN_OR_RETURN(collection->store_,
                        index::Store::Open(folder, index::Store::Mode::kWrite, context));
  if (!language.empty()) {
    WEIR_RETURN_IF_ERROR(collection->store_->SetLanguage(language));
  } else {
    WEIR_RETURN_IF_ERROR(collection->store_->SetLanguageIfNew(index::kAutoLanguage));
  }
  WEIR_RETURN_IF_ERROR(collection->Add(corpus_path, context));
  if (encoders.dense != nullptr) {
    WEIR_RETURN_IF_ERROR(collection->store_->EncodePending(*encoders.dense, context));
  }
  for (const text::Encoder* const encoder : encoders.beside) {
    WEIR_RETURN_IF_ERROR(collection->store_->EncodeBeside(*encoder, context));
  }
  if (encoders.sparse != nullptr) {
    WEIR_RETURN_IF_ERROR(collection->store_->EncodePending(*encoders.sparse, context));
  }
  if (encoders.tokens != nullptr) {
    WEIR_RETURN_IF_ERROR(collection->store_->EncodePending(*encoders.tokens, encoding, context));
  }
  WEIR_RETURN_IF_ERROR(collection->store_->Refresh());
  WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, collection->store_->Status());
  collection->documents_ = status.documents;
  collection->bytes_ = status.bytes;
  return collection;
}

Collection::~Collection() {
  store_.reset();  // closes its files first
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

}  // namespace weir::evaluate
