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

// Calls work(text) for what the model reads of each passage of the store.
absl::Status ForEachSource(const index::Store& store,
                           const std::function<absl::Status(const std::string&)>& work) {
  absl::flat_hash_map<int64_t, std::string> titles;
  for (int64_t id : store.Passages()) {
    WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store.GetPassage(id));
    auto title = titles.find(passage.document);
    if (title == titles.end()) {
      WEIR_ASSIGN_OR_RETURN(const text::DocumentRef document, store.GetDocument(passage.document));
      title = titles.emplace(passage.document, document.title).first;
    }
    WEIR_RETURN_IF_ERROR(work(answer::PassageSource(title->second, passage)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> LiveKeys(const index::Store& store) {
  std::set<std::string> live;
  WEIR_RETURN_IF_ERROR(ForEachSource(store, [&](const std::string& text) {
    live.insert(generate::PassageKey(text));
    return absl::OkStatus();
  }));
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

std::string PassageFolder(const Session& session) {
  return session.StoreFolder() + "/passage-cache";
}

absl::Status UsePassageCache(generate::Engine& engine, const generate::PassageOptions& options,
                             const Session& session) {
  return engine.UsePassages(PassageFolder(session), FrameMessages(), options);
}

absl::StatusOr<FillReport> FillPassages(const index::Store& store, generate::Engine& engine,
                                        int cold, Session& session) {
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
  absl::Status status = ForEachSource(store, [&](const std::string& text) -> absl::Status {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
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
  });
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

absl::Status PrunePassageCache(const index::Store& store, Session& session) {
  std::error_code error;
  const std::string folder = PassageFolder(session);
  if (!std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::set<std::string> live, LiveKeys(store));
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
