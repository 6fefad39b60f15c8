// The store: a folder with the catalogue (SQLite) and immutable, checksummed segments (lexical
// postings, dense, sparse and token vectors, document texts). Format page: docs/formats/store.md.
//
// Durability: AddBatch returns OK only when the batch's segment files and folder are fsynced and
// the catalogue's transaction is committed; a kill at any moment loses nothing acknowledged, and
// what was half written is removed at the next Open. One writer (a lock file), any number of
// readers. Readers see the generation they opened; Refresh() moves on. Thread-safe for const calls.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/dense/vector_search.h"
#include "index/lexical/bm25.h"
#include "index/lexical/fielded_query.h"
#include "index/multi/fixed_encoding.h"
#include "index/multi/multi_search.h"
#include "index/scope.h"
#include "index/scored.h"
#include "index/sparse/given_terms.h"
#include "index/sparse/sparse_search.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::index {

// The language of passages of which nothing else is known, and of stores that were never told.
inline constexpr std::string_view kDefaultLanguage = "english";
// Each passage is analysed as the language that it is in.
inline constexpr std::string_view kAutoLanguage = "auto";

struct StoreStatus {
  int64_t generation = 0;  // counts what was committed; readers of one see the same
  int64_t documents = 0, passages = 0, bytes = 0;
  int64_t pending = 0;  // passages without a vector
  std::vector<std::pair<std::string, std::string>> failed;  // path, reason
  std::string encoder;  // that is searched; name, "" while lexical only
  struct Encoder {
    std::string name;
    int64_t pending = 0;  // passages without a vector of it
    std::string fingerprint;
  };
  std::vector<Encoder> encoders_beside;  // the others that have vectors here
  // passages without a sparse vector; 0 while no sparse encoder is used
  int64_t sparse_pending = 0;
  std::string sparse_encoder;  // name, "" while there is none
  int64_t given_terms = 0;     // documents that came with weighted words of their own
  int64_t multi_pending = 0;   // passages without token vectors; 0 while there is no such encoder
  std::string multi_encoder;   // name, "" while there is none
  // What made the vectors; "" while there are none. A query's must have been made by the same.
  std::string encoder_fingerprint, sparse_fingerprint, multi_fingerprint;
  std::string language;  // kAutoLanguage or the analyser of all passages
  std::vector<std::pair<std::string, int64_t>> languages;  // with kAutoLanguage: analyser, passages
};

struct TenantStatus {
  std::string name;
  int64_t documents = 0, passages = 0, owned = 0;  // owned: documents
};

// A field over the documents that one may see.
struct FieldSummary {
  std::string name;
  std::string type;       // "text", "number" or "date": what all its values are
  bool built_in = false;  // every document has it
  int64_t documents = 0;  // that have a value
  // Different values, counted up to kMaxCountedValues. The most frequent ones with their documents,
  // most first; of numbers and dates the least and the greatest instead.
  int64_t values = 0;
  std::vector<std::pair<std::string, int64_t>> frequent;
  std::string least, greatest;
};
inline constexpr int64_t kMaxCountedValues = 65536;

// What a search is narrowed to.
struct ScopeRequest {
  std::string tenant;  // "": all documents
  std::string where;   // an expression (docs/filters.md); "": no filter
  // Whose statistics BM25 takes: those of the documents that pass the filter, else those that the
  // tenant, or the store, has in all.
  bool subset_statistics = false;
};

// A document with its passages, ready to be stored.
struct Prepared {
  text::Document document;
  std::vector<text::Passage> passages;
  int64_t file_size = -1;     // bytes, -1 when the document is no file
  int64_t file_mtime_ns = -1;  // -1: unknown, the next run compares hashes
  int64_t file_modified_ns = -1;  // the same, also while it is too fresh to be compared
  // From its owner; what they say stays when the document is replaced. A name with an empty value
  // takes back what was said.
  std::vector<text::Field> given = {};
  // Gets a grant, and owns the document if it is new; "" for none. A document that is replaced
  // keeps its owner and its grants.
  std::string tenant = {};
  // The sparse vector of each of its passages, as words, whatever their text says; nullopt: the
  // sparse encoder makes it.
  std::optional<GivenTerms> terms = std::nullopt;
};

// How many passages' sparse vectors have each of some terms, of how many there are.
struct SparseFrequencies {
  int64_t passages = 0;
  std::vector<int64_t> of_terms;
};

class Store {
 public:
  enum class Mode { kRead, kWrite };
  // kWrite makes the folder if needed; a second writer gets kAborted. Checksums of headers are
  // verified.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& folder, Mode mode,
                                                     const Context& context);
  virtual ~Store() = default;

  // --- writing ---
  // Replaces documents of the same path. Vectors may come later (SetVectors). A batch is of one
  // tenant (kInvalidArgument).
  virtual absl::Status AddBatch(std::span<const Prepared> batch, const Context& context) = 0;
  virtual absl::Status Remove(std::string_view path) = 0;  // kNotFound
  // On behalf of a tenant: kNotFound unless the document was granted to it, kPermissionDenied
  // unless it owns it. tenant "": as above.
  virtual absl::Status Remove(std::string_view path, std::string_view tenant) = 0;
  virtual absl::Status RecordFailure(std::string_view path, std::string_view reason) = 0;
  // Unchanged (same size, mtime, and then hash) files need no reading.
  virtual bool IsCurrent(std::string_view path, std::string_view sha256) const = 0;
  virtual bool IsUnchanged(std::string_view path, int64_t size, int64_t mtime_ns) const {
    return false;
  }
  // The file was touched, its bytes are the same: the next IsUnchanged knows.
  virtual absl::Status NoteFile(std::string_view path, int64_t size, int64_t mtime_ns) {
    return absl::OkStatus();
  }
  // Gives a vector to each passage that has none, and commits every few seconds, so that a kill
  // costs little and cancelling nothing. The encoder becomes the store's own: where that is another
  // one (fingerprint), its vectors are searched until each passage has a new one, and then go.
  virtual absl::Status EncodePending(const text::Encoder& encoder, const Context& context) = 0;
  // The same, but the encoder stands beside the store's own: SetQueryEncoder searches its vectors.
  virtual absl::Status EncodeBeside(const text::Encoder& encoder, const Context& context) = 0;
  // Drops the vectors of an encoder beside the store's own. kNotFound; kInvalidArgument for the own
  // one.
  virtual absl::Status RemoveEncoder(std::string_view name) = 0;
  // The same for sparse vectors; a store may hold both kinds. Documents that came with given terms
  // get the vector that their words have in the encoder's vocabulary; those of another encoder are
  // gone at once. kUnimplemented for vocabularies above kMaxSparseVocabulary.
  virtual absl::Status EncodePending(const text::SparseEncoder& encoder,
                                     const Context& context) = 0;
  // The same for token vectors, of which each passage also gets one encoding (multi/). A store
  // keeps the parameters of its first: kFailedPrecondition for others.
  virtual absl::Status EncodePending(const text::TokenEncoder& encoder,
                                     const FixedEncodingOptions& options,
                                     const Context& context) = 0;
  virtual absl::Status Compact(const Context& context) = 0;  // merges segments, drops deleted
  // From now on merged lexical segments of so many passages or more get the order of rows that
  // compresses best (lexical/bisection.h); 0, as it is at first: none. Results stay the same.
  virtual void ReorderFrom(int64_t passages) = 0;

  // --- tenants (docs/tenants.md) ---
  // One transaction each. Return how many of the documents changed: what is granted already, or was
  // not granted, stays as it is. kNotFound, before anything changed, for a path that is not in the
  // store; kInvalidArgument for a name that is empty, long or not printable.
  virtual absl::StatusOr<int64_t> Grant(std::string_view tenant,
                                        std::span<const std::string> paths) = 0;
  virtual absl::StatusOr<int64_t> Revoke(std::string_view tenant,
                                         std::span<const std::string> paths) = 0;
  virtual absl::StatusOr<std::vector<TenantStatus>> Tenants() const = 0;  // by name
  // Of the documents granted to a tenant, ascending; none for one that is unknown.
  virtual absl::StatusOr<std::vector<std::string>> Paths(std::string_view tenant) const = 0;
  // What the tenant may see of the generation that is open; nothing, if it is unknown.
  virtual absl::StatusOr<std::shared_ptr<const Scope>> TenantScope(
      std::string_view tenant) const = 0;

  // --- fields (docs/filters.md) ---
  // From the documents' owner, as Prepared::given; one transaction. kNotFound, before anything
  // changed, for a path that is not in the store (or not granted to `tenant`).
  virtual absl::Status GiveFields(std::span<const std::string> paths,
                                  std::span<const text::Field> fields,
                                  std::string_view tenant = "") = 0;
  // Whether a weir that did not know fields stored the document; NoteFields adds what such
  // documents say of themselves. One transaction.
  virtual bool LacksFields(std::string_view path) const { return false; }
  virtual absl::Status NoteFields(std::span<const Prepared> documents) = 0;
  virtual absl::StatusOr<int64_t> LackingFields() const { return int64_t{0}; }  // documents
  // Built-in ones first, then by name; at most `most` frequent values of each.
  virtual absl::StatusOr<std::vector<FieldSummary>> Fields(std::string_view tenant,
                                                           size_t most) const = 0;
  // NAME:VALUE parts of a query whose NAME is a field, taken out of it as an expression; see
  // lexical/fielded_query.h.
  virtual absl::StatusOr<FieldedQuery> SplitFields(std::string_view query,
                                                   std::string_view tenant) const = 0;
  // Of the generation that is open. Null for a request of everything. kInvalidArgument with the
  // place for a mistake in the expression: unknown fields, among those that the tenant may see, and
  // values of another type too.
  virtual absl::StatusOr<std::shared_ptr<const Scope>> MakeScope(
      const ScopeRequest& request) const = 0;
  // What the query's + and - (lexical/query.h) leave of a scope (null: of everything), so that
  // other searches than SearchLexical keep to them: passages with all that it demands and nothing
  // that it refuses, counted as the scope counts. The scope itself for a query without signs.
  virtual absl::StatusOr<std::shared_ptr<const Scope>> NarrowBySigns(
      std::string_view query, std::shared_ptr<const Scope> scope) const = 0;

  // How passages are analysed: kAutoLanguage, or a name or code of text::Languages(). A store keeps
  // what its first document came with: kFailedPrecondition for another one from then on.
  virtual absl::Status SetLanguage(std::string_view language) {
    return absl::UnimplementedError("this store has one language");
  }
  // The same, but a store with documents stays as it is.
  virtual absl::Status SetLanguageIfNew(std::string_view language) { return absl::OkStatus(); }

  // --- reading ---
  virtual absl::Status Refresh() = 0;
  // Of this object, from now on; the store itself holds no scores.
  virtual void SetBm25(const Bm25Options& options) {}
  // Of this object's queries from now on, instead of all languages that are in the store.
  // `must_exist`: kFailedPrecondition where nothing was analysed in it; without, an error does not
  // tell a tenant which languages others have.
  virtual absl::Status SetQueryLanguage(std::string_view language, bool must_exist = true) {
    return absl::UnimplementedError("this store has one language");
  }
  // Of this object's dense searches from now on: an encoder's name, "" for the store's own.
  // kFailedPrecondition when the store has no vectors of it, or is open for writing.
  virtual absl::Status SetQueryEncoder(std::string_view name) {
    return absl::UnimplementedError("this store has one encoder");
  }
  virtual absl::StatusOr<StoreStatus> Status() const = 0;
  virtual absl::StatusOr<std::vector<std::string>> Paths() const = 0;
  virtual std::vector<int64_t> Passages() const = 0;  // ids, ascending
  // Verifies every checksum and cross reference; one line a problem, empty when clean.
  virtual absl::StatusOr<std::vector<std::string>> Check(const Context& context) const = 0;
  // Searches return what `scope` allows and score as it counts (scope.h); null: everything.
  //
  // BM25, top k by (score descending, passage ascending). Quoted parts of the query are phrases.
  virtual absl::StatusOr<std::vector<Scored>> SearchLexical(
      std::string_view query, int64_t k, const Context& context,
      const Scope* scope = nullptr) const = 0;
  // kNotFound for a passage that is not in the store or not in the scope.
  virtual absl::StatusOr<std::vector<TermScore>> ExplainLexical(
      std::string_view query, int64_t passage, const Scope* scope = nullptr) const = 0;
  // Fills snippet and marks of hits (records.h): what the query's words and phrases match, as
  // SearchLexical matches them, whatever found the hits.
  virtual absl::Status Highlight(std::string_view query, std::span<text::Hit> hits,
                                 const Scope* scope = nullptr) const = 0;
  // Words of the query that no passage of the scope holds, with words near to them that passages of
  // the scope do hold, at most `most` each.
  virtual absl::StatusOr<std::vector<text::Spelling>> SuggestSpelling(
      std::string_view query, size_t most, const Context& context,
      const Scope* scope = nullptr) const = 0;
  // The first passage that the scope has of each document, at most k, in the order they were
  // stored.
  virtual absl::StatusOr<std::vector<int64_t>> FirstPassages(const Scope& scope,
                                                             int64_t k) const = 0;
  // Inner product; what dense/vector_search.h does with its defaults. query: [dimensions] f32, unit
  // length.
  virtual absl::StatusOr<std::vector<Scored>> SearchDense(std::span<const float> query, int64_t k,
                                                          const Context& context,
                                                          const Scope* scope = nullptr) const = 0;
  // Several queries share a scan; a result for each. queries: [n, dimensions]. With a scope, it
  // stands for options.allowed.
  virtual absl::StatusOr<std::vector<std::vector<Scored>>> SearchDenseMany(
      std::span<const float> queries, size_t n, int64_t k, const VectorSearchOptions& options,
      const Context& context, const Scope* scope = nullptr) const = 0;
  virtual bool has_vectors() const = 0;
  // Inner product of 8-bit weights and impacts; see sparse/sparse_search.h. kNotFound when the
  // store has no sparse vectors.
  virtual absl::StatusOr<std::vector<Scored>> SearchSparse(const text::SparseVector& query,
                                                           int64_t k,
                                                           const SparseSearchOptions& options,
                                                           const Context& context,
                                                           const Scope* scope = nullptr) const = 0;
  virtual bool has_sparse_vectors() const = 0;
  // What SearchSparse scores these passages; 0 for one that has no vector.
  virtual absl::StatusOr<std::vector<float>> ScoreSparse(
      const text::SparseVector& query, std::span<const int64_t> passages) const = 0;
  // Of the vectors that the scope counts (scope.h), without deleted ones: it does not depend on how
  // they are spread over segments. kInvalidArgument for terms outside of the vocabulary.
  virtual absl::StatusOr<SparseFrequencies> CountSparse(std::span<const int32_t> terms,
                                                        const Scope* scope = nullptr) const = 0;
  // In steps of 1/64, as they are stored. kNotFound while it is pending.
  virtual absl::StatusOr<text::SparseVector> GetSparseVector(int64_t passage) const = 0;
  // MaxSim of token vectors; see multi/multi_search.h. query: [tokens, dimensions] f32, unit
  // length. kNotFound when the store has no token vectors.
  virtual absl::StatusOr<std::vector<Scored>> SearchMulti(std::span<const float> query, int64_t k,
                                                          const MultiSearchOptions& options,
                                                          const Context& context,
                                                          const Scope* scope = nullptr) const = 0;
  // Those that it would score, best first by their encodings.
  virtual absl::StatusOr<std::vector<Scored>> MultiCandidates(std::span<const float> query,
                                                              const MultiSearchOptions& options,
                                                              const Context& context) const = 0;
  virtual bool has_multi_vectors() const = 0;
  // What SearchMulti scores these passages; 0 for one that has no tokens.
  virtual absl::StatusOr<std::vector<float>> ScoreMulti(
      std::span<const float> query, std::span<const int64_t> passages) const = 0;
  virtual absl::StatusOr<text::Passage> GetPassage(int64_t passage) const = 0;
  virtual absl::StatusOr<text::DocumentRef> GetDocument(int64_t document) const = 0;
  virtual absl::StatusOr<int64_t> FindDocument(std::string_view path) const = 0;  // kNotFound
  virtual absl::StatusOr<std::string> GetText(int64_t document) const = 0;  // the whole text
  virtual absl::StatusOr<std::vector<float>> GetVector(int64_t passage) const = 0;
  // As SearchDense and GetVector, of an encoder beside the one that is searched. kNotFound for one
  // that has no vectors here.
  virtual absl::StatusOr<std::vector<Scored>> SearchBeside(std::string_view encoder,
                                                           std::span<const float> query, int64_t k,
                                                           const Context& context,
                                                           const Scope* scope = nullptr) const {
    return absl::NotFoundError("this store has one encoder");
  }
  virtual absl::StatusOr<std::vector<float>> GetVectorBeside(std::string_view encoder,
                                                             int64_t passage) const {
    return absl::NotFoundError("this store has one encoder");
  }
};

}  // namespace weir::index
