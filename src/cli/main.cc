// The one binary. Hidden first word: the reader child of the sandbox.

#include <csignal>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/registry.h"
#include "cli/run.h"
#include "ingest/reader_process.h"

namespace {

weir::CancelToken cancel;

// First Ctrl-C asks the work to stop at a safe point; the second ends the process at once, which
// the store survives by design.
void OnInterrupt(int signal) {
  if (cancel.cancelled()) std::_Exit(130);
  cancel.Cancel();
}

}  // namespace

int main(int argc, char** argv) {
  if (std::optional<int> code = weir::ingest::ReaderMain(argc, argv)) return *code;
  std::signal(SIGINT, OnInterrupt);
  std::signal(SIGTERM, OnInterrupt);
  std::signal(SIGPIPE, SIG_IGN);
  weir::Registry registry;
  weir::RegisterAll(registry);
  return weir::cli::RunProgram(std::vector<std::string>(argv + 1, argv + argc), registry, &cancel);
}
