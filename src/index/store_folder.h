// The store over a folder; see store.h for the contract and docs/formats/store.md for the files.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "index/language_choice.h"
#include "index/snapshot.h"
#include "index/store.h"
#include "text/analysis.h"

namespace weir::index {

// More segments of a kind than this are merged at the end of a commit.
inline constexpr size_t kMaxSegments = 8;

class FolderStore final : public Store {
 public:
  FolderStore(std::string folder, Mode mode) : folder_(std::move(folder)), mode_(mode) {}
  ~FolderStore() override;
  absl::Status Start();

  absl::Status AddBatch(std::span<const Prepared> batch, const Context& context) override;
  absl::Status Remove(std::string_view path) override { return Remove(path, ""); }
  absl::Status Remove(std::string_view path, std::string_view tenant) override;
  absl::Status RecordFailure(std::string_view path, std::string_view reason) override;
  bool IsCurrent(std::string_view path, std::string_view sha256) const override;
  bool IsUnchanged(std::string_view path, int64_t size, int64_t mtime_ns) const override;
  absl::Status NoteFile(std::string_view path, int64_t size, int64_t mtime_ns) override;
  absl::Status EncodePending(const text::Encoder& encoder, const Context& context) override;
  absl::Status EncodeBeside(const text::Encoder& encoder, const Context& context) override;
  absl::Status RemoveEncoder(std::string_view name) override;
  absl::Status EncodePending(const text::SparseEncoder& encoder, const Context& context) override;
  absl::Status EncodePending(const text::TokenEncoder& encoder,
                             const FixedEncodingOptions& options,
                             const Context& context) override;
  absl::Status Compact(const Context& context) override;
  void ReorderFrom(int64_t passages) override { reorder_from_ = passages; }
  absl::StatusOr<int64_t> Grant(std::string_view tenant,
                                std::span<const std::string> paths) override;
  absl::StatusOr<int64_t> Revoke(std::string_view tenant,
                                 std::span<const std::string> paths) override;
  absl::StatusOr<std::vector<TenantStatus>> Tenants() const override;
  absl::StatusOr<std::vector<std::string>> Paths(std::string_view tenant) const override;
  absl::StatusOr<std::shared_ptr<const Scope>> TenantScope(std::string_view tenant) const override;
  absl::Status GiveFields(std::span<const std::string> paths, std::span<const text::Field> fields,
                          std::string_view tenant) override;
  bool LacksFields(std::string_view path) const override;
  absl::Status NoteFields(std::span<const Prepared> documents) override;
  absl::StatusOr<int64_t> LackingFields() const override;
  absl::StatusOr<std::vector<FieldSummary>> Fields(std::string_view tenant,
                                                   size_t most) const override;
  absl::StatusOr<FieldedQuery> SplitFields(std::string_view query,
                                           std::string_view tenant) const override;
  absl::Status Highlight(std::string_view query, std::span<text::Hit> hits,
                         const Scope* scope) const override;
  absl::StatusOr<std::vector<text::Spelling>> SuggestSpelling(std::string_view query, size_t most,
                                                              const Context& context,
                                                              const Scope* scope) const override;
  absl::StatusOr<std::vector<int64_t>> FirstPassages(const Scope& scope, int64_t k) const override;
  absl::StatusOr<std::shared_ptr<const Scope>> MakeScope(
      const ScopeRequest& request) const override;
  absl::StatusOr<std::shared_ptr<const Scope>> NarrowBySigns(
      std::string_view query, std::shared_ptr<const Scope> scope) const override;
  absl::Status SetLanguage(std::string_view language) override;
  absl::Status SetLanguageIfNew(std::string_view language) override;

  absl::Status Refresh() override;
  void SetBm25(const Bm25Options& options) override;
  absl::Status SetQueryLanguage(std::string_view language, bool must_exist = true) override;
  absl::Status SetQueryEncoder(std::string_view name) override;
  absl::StatusOr<StoreStatus> Status() const override;
  absl::StatusOr<std::vector<std::string>> Paths() const override;
  std::vector<int64_t> Passages() const override;
  absl::StatusOr<std::vector<std::string>> Check(const Context& context) const override;
  absl::StatusOr<std::vector<Scored>> SearchLexical(std::string_view query, int64_t k,
                                                    const Context& context,
                                                    const Scope* scope = nullptr) const override;
  absl::StatusOr<std::vector<TermScore>> ExplainLexical(
      std::string_view query, int64_t passage, const Scope* scope = nullptr) const override;
  absl::StatusOr<std::vector<std::vector<Scored>>> SearchDenseMany(
      std::span<const float> queries, size_t n, int64_t k, const VectorSearchOptions& options,
      const Context& context, const Scope* scope = nullptr) const override;
  absl::StatusOr<std::vector<Scored>> SearchDense(std::span<const float> query, int64_t k,
                                                  const Context& context,
                                                  const Scope* scope = nullptr) const override;
  bool has_vectors() const override;
  absl::StatusOr<std::vector<Scored>> SearchSparse(const text::SparseVector& query, int64_t k,
                                                   const SparseSearchOptions& options,
                                                   const Context& context,
                                                   const Scope* scope = nullptr) const override;
  bool has_sparse_vectors() const override;
  absl::StatusOr<std::vector<float>> ScoreSparse(
      const text::SparseVector& query, std::span<const int64_t> passages) const override;
  absl::StatusOr<SparseFrequencies> CountSparse(std::span<const int32_t> terms,
                                                const Scope* scope) const override;
  absl::StatusOr<text::SparseVector> GetSparseVector(int64_t passage) const override;
  absl::StatusOr<std::vector<Scored>> SearchMulti(std::span<const float> query, int64_t k,
                                                  const MultiSearchOptions& options,
                                                  const Context& context,
                                                  const Scope* scope = nullptr) const override;
  absl::StatusOr<std::vector<Scored>> MultiCandidates(std::span<const float> query,
                                                      const MultiSearchOptions& options,
                                                      const Context& context) const override;
  bool has_multi_vectors() const override;
  absl::StatusOr<std::vector<float>> ScoreMulti(
      std::span<const float> query, std::span<const int64_t> passages) const override;
  absl::StatusOr<text::Passage> GetPassage(int64_t passage) const override;
  absl::StatusOr<text::DocumentRef> GetDocument(int64_t document) const override;
  absl::StatusOr<int64_t> FindDocument(std::string_view path) const override;
  absl::StatusOr<std::string> GetText(int64_t document) const override;
  absl::StatusOr<std::vector<float>> GetVector(int64_t passage) const override;
  absl::StatusOr<std::vector<Scored>> SearchBeside(std::string_view encoder,
                                                   std::span<const float> query, int64_t k,
                                                   const Context& context,
                                                   const Scope* scope) const override;
  absl::StatusOr<std::vector<float>> GetVectorBeside(std::string_view encoder,
                                                     int64_t passage) const override;

 private:
  struct NewRows;  // of a batch: documents and passages with their ids
  struct QueryAnalyzers {
    std::vector<std::string> names;
    std::vector<std::unique_ptr<text::Analyzer>> made;
  };

  absl::Status Lock();
  // Check's lines; an error ends them.
  absl::Status CheckInto(const Context& context, std::vector<std::string>& lines) const;
  absl::Status CheckGiven(std::vector<std::string>& lines) const;
  absl::Status RemoveOrphans();
  absl::Status Writable() const;
  absl::Status Reload();  // REQUIRES: catalogue_mutex_ is held
  std::shared_ptr<const Snapshot> snapshot() const;
  absl::StatusOr<LexicalQuery> Parse(std::string_view query, const Snapshot& snapshot,
                                     const Scope* scope) const;
  absl::StatusOr<QueryAnalyzers> TakeAnalyzers(const Snapshot& snapshot, const Scope* scope) const;
  // Those of queries in a scope, given back when this goes.
  class LentAnalyzers {
   public:
    LentAnalyzers(const FolderStore& store, QueryAnalyzers lent)
        : store_(&store), lent_(std::move(lent)) {}
    LentAnalyzers(LentAnalyzers&& other) noexcept
        : store_(std::exchange(other.store_, nullptr)), lent_(std::move(other.lent_)) {}
    ~LentAnalyzers();
    const std::vector<std::string>& names() const { return lent_.names; }
    std::vector<text::Analyzer*> Borrow() const;

   private:
    const FolderStore* store_;
    QueryAnalyzers lent_;
  };
  absl::StatusOr<LentAnalyzers> Lend(const Scope* scope) const;
  Bm25Options bm25() const;
  // REQUIRES: catalogue_mutex_ is held.
  absl::StatusOr<std::shared_ptr<const Scope>> TenantScopeHeld(std::string_view tenant) const;
  absl::StatusOr<std::shared_ptr<const Scope>> FilterScopeHeld(const ScopeRequest& request) const;
  absl::StatusOr<std::vector<int64_t>> IdsOf(std::vector<IdRange> ranges) const;
  absl::StatusOr<std::string> ReadText(const DocumentRow& document, int64_t start,
                                       int64_t size) const;
  std::string SegmentName(std::string_view kind);

  // Writing; catalogue_mutex_ is taken inside.
  absl::StatusOr<NewRows> AssignIds(std::span<const Prepared> batch);
  absl::Status ChooseLanguages(NewRows& rows, const Context& context) const;
  absl::Status AddLanguages(const LanguageChoice& choice);
  absl::Status CheckOwner(const DocumentRow& row, std::string_view tenant) const;
  absl::StatusOr<std::vector<int64_t>> DocumentIds(std::span<const std::string> paths) const;
  absl::Status WriteTexts(NewRows& rows, std::vector<SegmentInfo>& files);
  absl::Status CommitBatch(const NewRows& rows, const std::vector<SegmentInfo>& files);
  absl::Status CommitVectors(const SegmentInfo& info, int64_t vector_set = 0);
  // The set of the encoder's vectors; 0 where they are, or become, the store's own.
  absl::StatusOr<int64_t> VectorSetOf(const EncoderNote& encoder, bool beside);
  absl::Status EncodeSet(const text::Encoder& encoder, int64_t set, const Context& context);
  absl::Status EncodeTokensAgain(const text::TokenEncoder& encoder, const FixedEncoder& fixed,
                                 const Context& context);
  absl::Status NoteEncoder(std::string_view settings, const EncoderNote& encoder);
  // The set's vectors become the store's own, whose former ones go.
  absl::Status Exchange(int64_t set, const EncoderNote& encoder);
  absl::StatusOr<std::vector<SegmentInfo>> RemoveSegments(
      const std::vector<Loaded<VectorSegment>>& segments);
  absl::Status StoreFields(int64_t document, const Prepared& prepared,
                           std::optional<int64_t> replaced);
  // Notes the encoder in the catalogue; removes the segments of another one.
  template <class Segment>
  absl::Status UseEncoder(const std::vector<Loaded<Segment>>& segments, const EncoderNote& old,
                          const EncoderNote& now, std::string_view settings);
  // Live passages of the lexical segments that none of `segments` has.
  template <class Segment>
  std::vector<int64_t> PendingPassages(const Snapshot& now,
                                       const std::vector<Loaded<Segment>>& segments) const;
  // Appends the passages' vectors: those of given terms, and of the texts of the others.
  absl::Status EncodeSparse(const text::SparseEncoder& encoder, std::span<const int64_t> ids,
                            std::vector<text::SparseVector>& vectors, const Context& context);
  // Gives the passages `pending` to `encode`, a few at a time, which keeps what it makes of them,
  // and every few seconds the ids since the last time to `write`, which makes a segment of it.
  absl::Status EncodeAll(
      const std::vector<int64_t>& pending, const Context& context,
      absl::FunctionRef<absl::Status(std::span<const int64_t> ids)> encode,
      absl::FunctionRef<absl::StatusOr<SegmentInfo>(std::span<const int64_t> ids)> write,
      int64_t vector_set = 0);
  // `titles_once`: a text that begins with its title is not given the title before it again.
  absl::Status EncoderInputs(std::span<const int64_t> ids, bool titles_once,
                             std::vector<std::string>& texts) const;
  // Bumps the generation, commits, loads the new snapshot.
  absl::Status Finish(Transaction& transaction);
  void Discard(const std::vector<SegmentInfo>& files);  // of a commit that failed

  // Merging. `all`: everything of a kind into one; else only what is due.
  absl::Status Merge(bool all, const Context& context);
  absl::Status MergeLexical(bool all, const Context& context);
  absl::Status MergeVectors(bool all, const Context& context);
  absl::Status MergeVectors(const std::vector<Loaded<VectorSegment>>& segments, int64_t set,
                            bool all, const Context& context);
  absl::Status MergeSparse(bool all, const Context& context);
  absl::Status MergeMulti(bool all, const Context& context);
  absl::Status MergeTexts(bool all, const Context& context);
  absl::Status Replace(const std::vector<SegmentRow>& old, const std::optional<SegmentInfo>& merged,
                       const std::vector<DocumentRow>& moved, int64_t vector_set = 0);
  absl::Status PurgeTombstones();

  const std::string folder_;
  const Mode mode_;
  std::string segments_folder_;
  int lock_fd_ = -1;
  int64_t next_segment_ = 0;  // numbers file names; above all there are
  int64_t reorder_from_ = 0;  // of the writer

  mutable std::mutex catalogue_mutex_;
  std::unique_ptr<Catalogue> catalogue_;
  mutable std::mutex snapshot_mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
  Bm25Options bm25_;  // under snapshot_mutex_
  std::string query_encoder_;  // under catalogue_mutex_; "" for the store's own
  mutable std::mutex analyzers_mutex_;
  mutable std::vector<QueryAnalyzers> analyzers_;  // not in use
  std::string query_language_;  // under analyzers_mutex_; "" for all that the store has
  mutable std::mutex scopes_mutex_;
  mutable std::map<std::string, std::shared_ptr<const Scope>, std::less<>> scopes_;  // by tenant
  mutable std::map<std::string, std::shared_ptr<const Scope>, std::less<>> filters_;  // by request
};

}  // namespace weir::index
