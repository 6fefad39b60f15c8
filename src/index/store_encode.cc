// Dense, sparse and token vectors for passages that have none.
#include <algorithm>
#include <utility>

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

// Passages' vectors, `width` elements a text, behind those that are there; on an error none.
template <class Encoder, class Element>
absl::Status AppendEncoded(const Encoder& encoder, const std::vector<std::string>& all,
                           size_t width, std::vector<Element>& vectors, const Context& context) {
  const std::vector<std::string_view> texts(all.begin(), all.end());
  const size_t before = vectors.size();
  vectors.resize(before + texts.size() * width);
  const absl::Status status = encoder.Encode(texts, text::EncodeAs::kPassage,
                                             std::span(vectors).subspan(before), context);
  if (!status.ok()) vectors.resize(before);
  return status;
}

}  // namespace

template <class Segment>
std::vector<int64_t> FolderStore::PendingPassages(
    const Snapshot& now, const std::vector<Loaded<Segment>>& segments) const {
  std::vector<int64_t> all, done, pending;
  for (const auto& loaded : now.lexical) {
    for (uint32_t r = 0; r < loaded.segment->rows(); ++r) {
      if (!loaded.deleted->Contains(r)) all.push_back(loaded.segment->passage(r));
    }
  }
  for (const auto& loaded : segments) {
    for (size_t r = 0; r < loaded.segment->rows(); ++r) done.push_back(loaded.segment->passage(r));
  }
  std::sort(all.begin(), all.end());
  std::sort(done.begin(), done.end());
  std::set_difference(all.begin(), all.end(), done.begin(), done.end(),
                      std::back_inserter(pending));
  return pending;
}

template <class Segment>
absl::Status FolderStore::UseEncoder(const std::vector<Loaded<Segment>>& segments,
                                     const EncoderNote& old, const EncoderNote& now,
                                     std::string_view settings) {
  if (old.fingerprint == now.fingerprint && old.dimensions == now.dimensions) {
    return absl::OkStatus();
  }
  std::vector<SegmentInfo> files;
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
    for (const auto& loaded : segments) {
      WEIR_RETURN_IF_ERROR(catalogue_->RemoveSegment(loaded.row.id));
      files.push_back(loaded.row.info);
    }
    WEIR_RETURN_IF_ERROR(NoteEncoder(settings, now));
    WEIR_RETURN_IF_ERROR(Finish(transaction));
  }
  Discard(files);
  return absl::OkStatus();
}

absl::Status FolderStore::EncoderInputs(std::span<const int64_t> ids, bool titles_once,
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
    PassageFields fields = MakeFields(document.title, p.heading, text);
    if (titles_once && text.starts_with(fields.title)) fields.title = {};
    texts.push_back(EncoderInput(fields));
  }
  return absl::OkStatus();
}

absl::Status FolderStore::CommitVectors(const SegmentInfo& info, int64_t vector_set) {
  WEIR_RETURN_IF_ERROR(SyncFolder(segments_folder_));
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_ASSIGN_OR_RETURN(const int64_t id, catalogue_->AddSegment(info));
  if (vector_set != 0) WEIR_RETURN_IF_ERROR(catalogue_->vector_sets().Assign(id, vector_set));
  return Finish(transaction);
}

absl::Status FolderStore::EncodeAll(
    const std::vector<int64_t>& pending, const Context& context,
    absl::FunctionRef<absl::Status(std::span<const int64_t> ids)> encode,
    absl::FunctionRef<absl::StatusOr<SegmentInfo>(std::span<const int64_t> ids)> write,
    int64_t vector_set) {
  if (pending.empty()) return absl::OkStatus();
  if (context.progress != nullptr) {
    context.progress->Start("encoding", static_cast<int64_t>(pending.size()), "passages");
  }
  size_t committed = 0, at = 0;
  int64_t since = context.now_ns();
  const auto commit = [&]() -> absl::Status {
    const size_t begin = std::exchange(committed, at);
    WEIR_ASSIGN_OR_RETURN(const SegmentInfo info,
                          write(std::span(pending).subspan(begin, at - begin)));
    return CommitVectors(info, vector_set);
  };
  absl::Status status;
  while (at < pending.size() && status.ok()) {
    const size_t n = std::min(kEncodeRows, pending.size() - at);
    status = context.CheckCancelled();
    if (status.ok()) status = encode(std::span(pending).subspan(at, n));
    if (!status.ok()) break;
    at += n;
    if (context.progress != nullptr) context.progress->Advance(static_cast<int64_t>(n));
    if (at - committed >= kCommitRows || context.now_ns() - since >= kCommitNs) {
      status = commit();
      since = context.now_ns();
      if (status.ok()) status = Merge(false, context);
    }
  }
  // What was encoded before the cancellation or the error is kept.
  if (committed < at) {
    const absl::Status last = commit();
    if (status.ok()) status = last;
  }
  if (context.progress != nullptr) context.progress->Finish();
  if (!status.ok()) return status;
  const absl::Status merged = Merge(false, context);
  return absl::IsCancelled(merged) ? absl::OkStatus() : merged;
}

absl::Status FolderStore::EncodeSet(const text::Encoder& encoder, int64_t set,
                                    const Context& context) {
  const int d = encoder.dimensions();
  const std::shared_ptr<const Snapshot> now = snapshot();
  const auto beside = std::find_if(now->beside.begin(), now->beside.end(),
                                   [&](const VectorSet& s) { return s.id == set; });
  std::vector<float> vectors;
  std::vector<std::string> texts;
  return EncodeAll(
      PendingPassages(*now, set == 0 ? now->vectors : beside->segments), context,
      [&](std::span<const int64_t> ids) -> absl::Status {
        WEIR_RETURN_IF_ERROR(EncoderInputs(ids, /*titles_once=*/false, texts));
        return AppendEncoded(encoder, texts, static_cast<size_t>(d), vectors, context);
      },
      [&](std::span<const int64_t> ids) {
        // Not cancelled: what is encoded is kept.
        auto info = WriteVectorSegment(ids, vectors, d, segments_folder_, SegmentName("vector"),
                                       Context{.threads = context.threads});
        vectors.clear();
        return info;
      },
      set);
}

absl::StatusOr<int64_t> FolderStore::VectorSetOf(const EncoderNote& encoder, bool beside) {
  if (encoder.dimensions < 1 || encoder.dimensions > kMaxDimensions) {
    return absl::InvalidArgumentError(
        absl::StrCat(encoder.name, ": ", encoder.dimensions, " dimensions"));
  }
  const std::shared_ptr<const Snapshot> now = snapshot();
  const auto same = [&](const EncoderNote& note) {
    return note.fingerprint == encoder.fingerprint && note.dimensions == encoder.dimensions;
  };
  for (const VectorSet& set : now->beside) {
    if (same(set.encoder)) return set.id;
    // The model of this name has changed.
    if (set.encoder.name == encoder.name) WEIR_RETURN_IF_ERROR(RemoveEncoder(encoder.name));
  }
  if (same(now->encoder) || now->live_vectors() == 0) {
    WEIR_RETURN_IF_ERROR(UseEncoder(now->vectors, now->encoder, encoder, "encoder"));
    return 0;
  }
  if (beside && encoder.name == now->encoder.name) {
    return absl::InvalidArgumentError(
        absl::StrCat("encoder: ", encoder.name, " is the store's own"));
  }
  std::lock_guard lock(catalogue_mutex_);
  WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
  WEIR_ASSIGN_OR_RETURN(const int64_t id, catalogue_->vector_sets().Add(encoder));
  WEIR_RETURN_IF_ERROR(Finish(transaction));
  return id;
}

absl::StatusOr<std::vector<SegmentInfo>> FolderStore::RemoveSegments(
    const std::vector<Loaded<VectorSegment>>& segments) {
  std::vector<SegmentInfo> files;
  for (const auto& loaded : segments) {
    WEIR_RETURN_IF_ERROR(catalogue_->RemoveSegment(loaded.row.id));
    files.push_back(loaded.row.info);
  }
  return files;
}

absl::Status FolderStore::NoteEncoder(std::string_view settings, const EncoderNote& encoder) {
  const auto key = [&](const char* name) { return absl::StrCat(settings, name); };
  WEIR_RETURN_IF_ERROR(catalogue_->Set(key("_name"), encoder.name));
  WEIR_RETURN_IF_ERROR(catalogue_->Set(key("_fingerprint"), encoder.fingerprint));
  return catalogue_->Set(key("_dimensions"), int64_t{encoder.dimensions});
}

absl::Status FolderStore::Exchange(int64_t set, const EncoderNote& encoder) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<SegmentInfo> files;
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
    WEIR_ASSIGN_OR_RETURN(files, RemoveSegments(now->vectors));
    WEIR_RETURN_IF_ERROR(catalogue_->vector_sets().Promote(set));
    WEIR_RETURN_IF_ERROR(NoteEncoder("encoder", encoder));
    WEIR_RETURN_IF_ERROR(Finish(transaction));
  }
  Discard(files);
  return absl::OkStatus();
}

absl::Status FolderStore::RemoveEncoder(std::string_view name) {
  WEIR_RETURN_IF_ERROR(Writable());
  const std::shared_ptr<const Snapshot> now = snapshot();
  const auto set = std::find_if(now->beside.begin(), now->beside.end(),
                                [&](const VectorSet& s) { return s.encoder.name == name; });
  if (set == now->beside.end()) {
    return name == now->encoder.name
               ? absl::InvalidArgumentError(absl::StrCat(
                     "encoder: ", name, " is the store's own; index with another one instead"))
               : absl::NotFoundError(absl::StrCat("encoder: the store has no vectors of ", name));
  }
  std::vector<SegmentInfo> files;
  {
    std::lock_guard lock(catalogue_mutex_);
    WEIR_ASSIGN_OR_RETURN(Transaction transaction, catalogue_->BeginWrite());
    WEIR_ASSIGN_OR_RETURN(files, RemoveSegments(set->segments));
    WEIR_RETURN_IF_ERROR(catalogue_->vector_sets().Remove(set->id));
    WEIR_RETURN_IF_ERROR(Finish(transaction));
  }
  Discard(files);
  return absl::OkStatus();
}

absl::Status FolderStore::EncodePending(const text::Encoder& encoder, const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  const EncoderNote note{encoder.name(), encoder.fingerprint(), encoder.dimensions()};
  WEIR_ASSIGN_OR_RETURN(const int64_t set, VectorSetOf(note, /*beside=*/false));
  WEIR_RETURN_IF_ERROR(EncodeSet(encoder, set, context));
  return set == 0 ? absl::OkStatus() : Exchange(set, note);
}

absl::Status FolderStore::EncodeBeside(const text::Encoder& encoder, const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  WEIR_ASSIGN_OR_RETURN(
      const int64_t set,
      VectorSetOf({encoder.name(), encoder.fingerprint(), encoder.dimensions()}, /*beside=*/true));
  return EncodeSet(encoder, set, context);
}

absl::Status FolderStore::EncodeSparse(const text::SparseEncoder& encoder,
                                       std::span<const int64_t> ids,
                                       std::vector<text::SparseVector>& vectors,
                                       const Context& context) {
  std::vector<std::optional<GivenTerms>> given;
  std::vector<int64_t> others;
  {
    std::lock_guard lock(catalogue_mutex_);
    for (const int64_t id : ids) {
      WEIR_ASSIGN_OR_RETURN(auto terms, catalogue_->given_terms().OfPassage(id));
      given.push_back(std::move(terms));
      if (!given.back().has_value()) others.push_back(id);
    }
  }
  std::vector<text::SparseVector> encoded;
  if (!others.empty()) {
    std::vector<std::string> texts;
    WEIR_RETURN_IF_ERROR(EncoderInputs(others, /*titles_once=*/true, texts));
    WEIR_RETURN_IF_ERROR(AppendEncoded(encoder, texts, 1, encoded, context));
  }
  size_t next = 0;
  for (const auto& terms : given) {
    vectors.push_back(terms.has_value() ? VectorOf(*terms, encoder) : std::move(encoded[next++]));
  }
  return absl::OkStatus();
}

absl::Status FolderStore::EncodePending(const text::SparseEncoder& encoder,
                                        const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  const int32_t vocabulary = encoder.vocabulary();
  if (vocabulary < 1 || vocabulary > kMaxSparseVocabulary) {
    return absl::UnimplementedError(absl::StrCat(encoder.name(), ": ", vocabulary,
                                                 " terms; at most ", kMaxSparseVocabulary));
  }
  {
    const std::shared_ptr<const Snapshot> now = snapshot();
    WEIR_RETURN_IF_ERROR(UseEncoder(now->sparse, now->sparse_encoder,
                                    {encoder.name(), encoder.fingerprint(), vocabulary},
                                    "sparse_encoder"));
  }
  std::vector<text::SparseVector> vectors;
  const std::shared_ptr<const Snapshot> now = snapshot();
  return EncodeAll(
      PendingPassages(*now, now->sparse), context,
      [&](std::span<const int64_t> ids) { return EncodeSparse(encoder, ids, vectors, context); },
      [&](std::span<const int64_t> ids) {
        auto info =
            WriteSparseSegment(ids, vectors, vocabulary, segments_folder_, SegmentName("sparse"));
        vectors.clear();
        return info;
      });
}

absl::Status FolderStore::EncodePending(const text::TokenEncoder& encoder,
                                        const FixedEncodingOptions& options,
                                        const Context& context) {
  WEIR_RETURN_IF_ERROR(Writable());
  const int d = encoder.dimensions();
  if (d < 1 || d > kMaxTokenDimensions) {
    return absl::InvalidArgumentError(absl::StrCat(encoder.name(), ": ", d, " dimensions; at most ",
                                                   kMaxTokenDimensions));
  }
  FixedEncodingParameters parameters;
  {
    const std::shared_ptr<const Snapshot> now = snapshot();
    const EncoderNote note{encoder.name(), encoder.fingerprint(), d};
    const bool kept = !now->multi.empty() && now->multi_encoder.fingerprint == note.fingerprint;
    WEIR_ASSIGN_OR_RETURN(
        parameters, ResolveParameters(options, static_cast<uint32_t>(d),
                                      kept ? &now->multi[0].segment->parameters() : nullptr));
    WEIR_RETURN_IF_ERROR(UseEncoder(now->multi, now->multi_encoder, note, "multi_encoder"));
  }
  WEIR_ASSIGN_OR_RETURN(const auto fixed, FixedEncoder::Make(parameters));
  std::vector<text::TokenVectors> vectors;
  std::vector<std::string> texts;
  const std::shared_ptr<const Snapshot> now = snapshot();
  WEIR_RETURN_IF_ERROR(EncodeAll(
      PendingPassages(*now, now->multi), context,
      [&](std::span<const int64_t> ids) -> absl::Status {
        WEIR_RETURN_IF_ERROR(EncoderInputs(ids, /*titles_once=*/true, texts));
        return AppendEncoded(encoder, texts, 1, vectors, context);
      },
      [&](std::span<const int64_t> ids) {
        auto info = WriteMultiSegment(ids, vectors, *fixed, snapshot()->multi_views,
                                      segments_folder_, SegmentName("multi"),
                                      Context{.threads = context.threads});
        vectors.clear();
        return info;
      }));
  return EncodeTokensAgain(encoder, *fixed, context);
}

// The first passages of a store are coded with words that were learned from few tokens. Decoding
// them and coding them anew would keep that error, so they are encoded again: once another segment
// has seen enough, and before that whenever there are twice the tokens.
absl::Status FolderStore::EncodeTokensAgain(const text::TokenEncoder& encoder,
                                            const FixedEncoder& fixed, const Context& context) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  std::vector<SegmentRow> old;
  std::vector<int64_t> ids;
  uint64_t tokens = 0, trained = 0;
  for (const auto& loaded : now->multi) {
    if (loaded.segment->well_trained()) continue;
    old.push_back(loaded.row);
    tokens += loaded.segment->tokens();
    trained = std::max(trained, loaded.segment->trained_tokens());
    for (size_t r = 0; r < loaded.segment->rows(); ++r) {
      if (!loaded.deleted->Contains(static_cast<uint32_t>(r)))
        ids.push_back(loaded.segment->passage(r));
    }
  }
  const bool taught = old.size() < now->multi.size();
  if (ids.empty() || (!taught && tokens < 2 * trained)) return absl::OkStatus();
  std::sort(ids.begin(), ids.end());
  if (context.progress != nullptr) {
    context.progress->Start("encoding again", static_cast<int64_t>(ids.size()), "passages");
  }
  std::vector<text::TokenVectors> vectors;
  std::vector<std::string> texts;
  absl::Status status;
  for (size_t at = 0; at < ids.size() && status.ok(); at += kEncodeRows) {
    const size_t n = std::min(kEncodeRows, ids.size() - at);
    status = context.CheckCancelled();
    if (status.ok())
      status = EncoderInputs(std::span(ids).subspan(at, n), /*titles_once=*/true, texts);
    if (status.ok()) status = AppendEncoded(encoder, texts, 1, vectors, context);
    if (context.progress != nullptr) context.progress->Advance(static_cast<int64_t>(n));
  }
  if (context.progress != nullptr) context.progress->Finish();
  WEIR_RETURN_IF_ERROR(status);  // the former codes stay
  WEIR_ASSIGN_OR_RETURN(
      const SegmentInfo info,
      WriteMultiSegment(ids, vectors, fixed,
                        taught ? std::span(now->multi_views) : std::span<const MultiView>(),
                        segments_folder_, SegmentName("multi"),
                        Context{.threads = context.threads}));
  return Replace(old, info, {});
}

}  // namespace weir::index
