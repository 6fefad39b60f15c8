// What the verbs of one run share: global options, context, registry, output, and the opening of
// stores and models by the same rules everywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/metrics.h"
#include "base/options.h"
#include "base/progress.h"
#include "base/registry.h"
#include "base/threads.h"
#include "generate/engine.h"
#include "index/store.h"
#include "model/encoder.h"
#include "text/ports.h"

namespace weir::cli {

struct GlobalOptions {
  std::string store;
  bool json = false;
  int64_t threads = 0;
  int64_t seed = 0;
  std::string progress = "auto";
  template <class V>
  void Visit(V& v) {
    v(store, {.name = "store",
              .help = "Folder of the store; else the nearest .weir upwards, else ./.weir.",
              .fingerprint = false});
    v(json, {.name = "json", .help = "Print one JSON object on stdout.", .fingerprint = false});
    v(threads, {.name = "threads",
                .help = "Threads to use; 0 takes all cores.",
                .unit = "threads",
                .min = 0,
                .max = 256,
                .fingerprint = false});
    v(seed, {.name = "seed", .help = "Seed of everything random.", .min = 0});
    v(progress, {.name = "progress",
                 .help = "Progress on stderr.",
                 .choices = {"auto", "off", "json"},
                 .fingerprint = false});
  }
};

class Session {
 public:
  Session(GlobalOptions options, const Registry& registry, const CancelToken* cancel);

  const GlobalOptions& options() const { return options_; }
  const Registry& registry() const { return registry_; }
  Context& context() { return context_; }
  bool json() const { return options_.json; }

  // The one writer to stdout. Print ends with a newline.
  void Print(std::string_view text);
  void PrintExactly(std::string_view text);
  void Note(std::string_view text);  // stderr
  // Text on stderr as it comes, when someone watches a terminal; else nothing.
  void Stream(std::string_view piece);

  std::string StoreFolder() const;
  absl::StatusOr<std::unique_ptr<index::Store>> OpenStore(index::Store::Mode mode);
  // `name`: a catalogue name or path, with ":f32" for products in f32 instead of int8; "" takes the
  // default that is installed.
  absl::StatusOr<model::EncoderSpec> FindEncoder(std::string_view name);
  absl::StatusOr<std::unique_ptr<text::Encoder>> LoadEncoder(std::string_view name);
  // `name`: as above; "" takes the first sparse encoder that is installed.
  absl::StatusOr<std::unique_ptr<text::SparseEncoder>> LoadSparseEncoder(std::string_view name);
  // Its vocabulary alone, which is quicker.
  absl::StatusOr<std::unique_ptr<text::TermVocabulary>> LoadTermVocabulary(std::string_view name);
  // `name`: as for LoadEncoder; the vectors of tokens.
  absl::StatusOr<std::unique_ptr<text::TokenEncoder>> LoadTokenEncoder(std::string_view name);
  absl::StatusOr<std::unique_ptr<generate::Engine>> LoadEngine(
      std::string_view name, const generate::GenerateOptions& options);

 private:
  absl::StatusOr<std::string> DefaultDecoder();
  absl::StatusOr<model::EncoderSpec> FindSparseEncoder(std::string_view name);
  GlobalOptions options_;
  const Registry& registry_;
  Metrics metrics_;
  std::unique_ptr<Threads> threads_;
  std::unique_ptr<Progress> progress_;
  Context context_;
};

}  // namespace weir::cli
