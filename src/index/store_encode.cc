// Vectors for passages that have none.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/progress.h"
#include "base/status.h"
#include "index/lexical/analysed.h"
#include "index/store_folder.h"

namespace weir::index {
namespace {

constexpr size_t kEncodeRows = 128;                       // passages a call of the encoder
constexpr size_t kCommitRows = 4096;                      // at most so many are lost to a kill,
constexpr int64_t kCommitNs = int64_t{5} * 1000'000'000;  // or so much time

}  // namespace

// Live passages of the lexical segments that no vector segment has; both are sorted by id.
std::vector<int64_t> FolderStore::PendingPassages() const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<int64_t> all, done, pending;
  for (const auto& loaded : now->lexical) {
    for (uint32_t r = 0; r < loaded.segment->rows(); ++r) {
      if (!loaded.deleted->Contains(r)) all.push_back(loaded.segment->passage(r));
    }
  }
  for (const auto& loaded : now->vectors) {
    for (size_t r = 0; r < loaded.segment->rows(); ++r) done.push_back(loaded.segment->passage(r));
  }
  std::sort(all.begin(), all.end());
  std::sort(done.begin(), done.end());
  std::set_difference(all.begin(), all.end(), done.begin(), done.end(),
                      std::back_inserter(pending));
  return pending;
}

absl::Status FolderStore::DropForeignVectors(const text::Encoder& encoder) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  if (now->encoder.fingerprint == encoder.fingerprint() &&
      now->encoder.dimensions == encoder.dimensions()) {
    return absl::OkStatus();
  }
  std::vector<SegmentInfo> files;
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
    for (const auto& loaded : now->vectors) {
      WEIR_RETURN_IF_ERROR(catalogue_->RemoveSegment(loaded.row.id));
      files.push_back(loaded.row.info);
    }
    WEIR_RETURN_IF_ERROR(catalogue_->Set("encoder_name", encoder.name()));
    WEIR_RETURN_IF_ERROR(catalogue_->Set("encoder_fingerprint", encoder.fingerprint()));
    WEIR_RETURN_IF_ERROR(catalogue_->Set("encoder_dimensions", int64_t{encoder.dimensions()}));
    WEIR_RETURN_IF_ERROR(Finish(transaction));
  }
  Discard(files);
  return absl::OkStatus();
}

absl::Status FolderStore::EncoderInputs(std::span<const int64_t> ids,
                                        std::vector<std::string>& texts) const {
  texts.clear();
  std::lock_guard lock(catalogue_mutex_);
  DocumentRow document;
  std::string whole;  // of the open document: neighbours mostly share it
  for (int64_t id : ids) {
    WEIR_ASSIGN_OR_RETURN(const text::Passage p, catalogue_->GetPassage(id));
    if (p.document != document.id) {
      WEIR_ASSIGN_OR_RETURN(document, catalogue_->GetDocument(p.document));
      WEIR_ASSIGN_OR_RETURN(whole, ReadText(document, 0, document.text_size));
    }
    if (p.span.start < 0 || p.span.end < p.span.start ||
        p.span.end > static_cast<int64_t>(whole.size())) {
      return absl::DataLossError(
          absl::StrCat("passage ", id, ": its span passes the text of ", document.path));
    }
    const std::string_view text = std::string_view(whole).substr(p.span.start, p.span.size());
    texts.push_back(EncoderInput(MakeFields(document.title, p.heading, text)));
  }
  return absl::OkStatus();
}

absl::Status FolderStore::CommitVectors(std::span<const int64_t> ids,
                                        std::span<const float> vectors,
                                        const text::Encoder& encoder, const Context& context) {
  if (ids.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const SegmentInfo info,
                        WriteVectorSegment(ids, vectors, encoder.dimensions(), segments_folder_,
                                           SegmentName("vector"), context));
  WEIR_RETURN_IF_ERROR(SyncFolder(segments_folder_));
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_RETURN_IF_ERROR(catalogue_->AddSegment(info).status());
  return Finish(transaction);
}

absl::Status FolderStore::EncodePending(const text::Encoder& encoder, const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  const int d = encoder.dimensions();
  if (d < 1 || d > kMaxDimensions) {
    return absl::InvalidArgumentError(absl::StrCat(encoder.name(), ": ", d, " dimensions"));
  }
  WEIR_RETURN_IF_ERROR(DropForeignVectors(encoder));
  const std::vector<int64_t> pending = PendingPassages();
  if (pending.empty()) return absl::OkStatus();
  if (context.progress != nullptr) {
    context.progress->Start("encoding", static_cast<int64_t>(pending.size()), "passages");
  }
  std::vector<std::string> texts;
  std::vector<float> vectors;
  size_t committed = 0, at = 0;
  int64_t since = context.now_ns();
  absl::Status status;
  while (at < pending.size() && status.ok()) {
    const size_t n = std::min(kEncodeRows, pending.size() - at);
    status = context.CheckCancelled();
    if (status.ok()) status = EncoderInputs(std::span(pending).subspan(at, n), texts);
    if (!status.ok()) break;
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const size_t before = vectors.size();
    vectors.resize(before + n * static_cast<size_t>(d));
    status = encoder.Encode(views, text::EncodeAs::kPassage, std::span(vectors).subspan(before),
                            context);
    if (!status.ok()) {
      vectors.resize(before);
      break;
    }
    at += n;
    if (context.progress != nullptr) context.progress->Advance(static_cast<int64_t>(n));
    if (at - committed >= kCommitRows || context.now_ns() - since >= kCommitNs) {
      status =
          CommitVectors(std::span(pending).subspan(committed, at - committed), vectors, encoder,
                        context);
      if (status.ok()) committed = at;
      vectors.clear();
      since = context.now_ns();
      if (status.ok()) status = Merge(false, context);
    }
  }
  // What was encoded before the cancellation or the error is kept.
  if (committed < at && !vectors.empty()) {
    const absl::Status last =
        CommitVectors(std::span(pending).subspan(committed, at - committed), vectors, encoder,
                      Context{.threads = context.threads});
    if (status.ok()) status = last;
  }
  if (context.progress != nullptr) context.progress->Finish();
  if (!status.ok()) return status;
  const absl::Status merged = Merge(false, context);
  return absl::IsCancelled(merged) ? absl::OkStatus() : merged;
}

}  // namespace weir::index
