#include "cli/passage_fill.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "answer/pack.h"
#include "base/progress.h"
#include "base/status.h"
#include "generate/passages/passage_store.h"

namespace weir::cli {
namespace {

absl::StatusOr<std::set<std::string>> LiveKeys(const index::Store& store, int64_t before) {
  std::set<std::string> live;
  PassageReader reader(store, before);
  for (int64_t id : store.Passages()) {
    WEIR_ASSIGN_OR_RETURN(const text::PromptPassage passage, reader.Read(id));
    live.insert(generate::PassageKey(passage));
  }
  return live;
}

// Turns passages cold as they come; the first ones wait until there are enough to fit tables on.
class Cooling {
 public:
  Cooling(generate::PassageCache* cache, int level, const Context& context)
      : cache_(cache), level_(level), context_(context) {}
  absl::Status Add(const std::string& key) {
    if (level_ == 0) return absl::OkStatus();
    waiting_.push_back(key);
    return waiting_.size() >= kSamples || cache_->HasTables() ? Finish() : absl::OkStatus();
  }
  absl::Status Finish() {
    WEIR_RETURN_IF_ERROR(cache_->Cool(waiting_, level_, context_));
    waiting_.clear();
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kSamples = 24;
  generate::PassageCache* cache_;
  int level_;
  const Context& context_;
  std::vector<std::string> waiting_;
};

std::vector<text::ChatMessage> FrameMessages() {
  answer::PackedContext packed;
  packed.whole = true;
  return answer::Prompt("", packed);
}

}  // namespace

absl::StatusOr<PassageReader::Source> PassageReader::Find(int64_t id) {
  const auto kept = sources_.find(id);
  if (kept != sources_.end()) return kept->second;
  WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store_.GetPassage(id));
  auto title = titles_.find(passage.document);
  if (title == titles_.end()) {
    WEIR_ASSIGN_OR_RETURN(const text::DocumentRef document, store_.GetDocument(passage.document));
    title = titles_.emplace(passage.document, document.title).first;
  }
  // Neighbours are read one after another: what is far from the newest is not asked for again.
  sources_.erase(sources_.begin(), sources_.lower_bound(id - 4 * before_));
  sources_.erase(sources_.upper_bound(id + 4 * before_), sources_.end());
  return sources_[id] = {passage.document, answer::PassageSource(title->second, passage)};
}

absl::StatusOr<std::vector<std::string>> PassageReader::Before(int64_t passage, int64_t document) {
  std::vector<std::string> before;
  const int64_t group = before_ + 1;  // of passages that begin with the same
  for (int64_t id = std::max<int64_t>(0, passage / group * group - before_); id < passage; ++id) {
    auto source = Find(id);
    if (absl::IsNotFound(source.status())) continue;  // removed, with its document
    if (!source.ok()) return source.status();
    if (source->document == document) before.push_back(std::move(source->text));
  }
  return before;
}

absl::StatusOr<text::PromptPassage> PassageReader::Read(int64_t passage) {
  WEIR_ASSIGN_OR_RETURN(Source source, Find(passage));
  WEIR_ASSIGN_OR_RETURN(auto before, Before(passage, source.document));
  return text::PromptPassage{std::move(source.text), std::move(before)};
}

std::string PassageFolder(const Session& session) {
  return session.StoreFolder() + "/passage-cache";
}

absl::Status UsePassageCache(generate::Engine& engine, const generate::PassageOptions& options,
                             const Session& session) {
  return engine.UsePassages(PassageFolder(session), FrameMessages(), options);
}

absl::StatusOr<FillReport> FillPassages(const index::Store& store, generate::Engine& engine,
                                        int cold, int64_t before, Session& session) {
  const Context& context = session.context();
  Cooling cooling(engine.passages(), cold, context);
  const int64_t start = context.now_ns();
  FillReport report;
  report.model = engine.name();
  std::set<std::string> live;
  if (context.progress != nullptr) {
    context.progress->Start("passage cache", static_cast<int64_t>(store.Passages().size()),
                            "passages");
  }
  PassageReader reader(store, before);
  const auto fill = [&](int64_t id) -> absl::Status {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const text::PromptPassage text, reader.Read(id));
    WEIR_ASSIGN_OR_RETURN(const generate::PassagePrompt prompt,
                          engine.PromptOver(FrameMessages(), std::span(&text, 1)));
    for (const auto& passage : prompt.passages) {
      live.insert(passage.key);
      report.tokens += static_cast<int64_t>(passage.tokens.size());
      WEIR_ASSIGN_OR_RETURN(const bool added, engine.passages()->Fill(passage, context));
      report.added += added ? 1 : 0;
      WEIR_RETURN_IF_ERROR(cooling.Add(passage.key));
    }
    if (context.progress != nullptr) context.progress->Advance(1);
    return absl::OkStatus();
  };
  absl::Status status;
  for (int64_t id : store.Passages()) {
    status = fill(id);
    if (!status.ok()) break;
  }
  if (context.progress != nullptr) context.progress->Finish();
  WEIR_RETURN_IF_ERROR(status);
  WEIR_RETURN_IF_ERROR(cooling.Finish());
  WEIR_ASSIGN_OR_RETURN(const auto removed, engine.passages()->store().Prune(live));
  WEIR_ASSIGN_OR_RETURN(const auto size, engine.passages()->store().Measure());
  report.removed = removed.passages;
  report.removed_bytes = removed.bytes;
  report.passages = std::max<int64_t>(0, size.passages - 1);  // without the prompt's head
  report.bytes = size.bytes;
  report.seconds = static_cast<double>(context.now_ns() - start) * 1e-9;
  return report;
}

absl::Status PrunePassageCache(const index::Store& store, int64_t before, Session& session) {
  std::error_code error;
  const std::string folder = PassageFolder(session);
  if (!std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::set<std::string> live, LiveKeys(store, before));
  WEIR_ASSIGN_OR_RETURN(const auto removed, generate::PrunePassages(folder, live));
  if (removed.passages > 0) {
    session.Note(absl::StrFormat("passage cache: %d files of %d bytes removed", removed.passages,
                                 removed.bytes));
  }
  return absl::OkStatus();
}

void PrintFill(const FillReport& r, Session& session) {
  if (session.json()) {
    session.Print(nlohmann::ordered_json{{"version", 1},
                                         {"model", r.model},
                                         {"passages", r.passages},
                                         {"added", r.added},
                                         {"removed", r.removed},
                                         {"tokens", r.tokens},
                                         {"bytes", r.bytes},
                                         {"bytes_per_passage", r.BytesPerPassage()},
                                         {"seconds", r.seconds}}
                      .dump());
    return;
  }
  session.Print(
      absl::StrFormat("%s: %d passages stored (%d new, %d removed), %d tokens, %.1f MB, %.0f bytes "
                      "a passage; %.1f s",
                      r.model, r.passages, r.added, r.removed, r.tokens,
                      static_cast<double>(r.bytes) * 1e-6, r.BytesPerPassage(), r.seconds));
}

}  // namespace weir::cli
