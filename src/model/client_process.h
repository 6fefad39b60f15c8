// Runs one package client to its end in a folder of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/context.h"

namespace weir::model {

// Starts argv (found through PATH, no shell) with `folder` as working and temporary folder,
// standard input empty and its output in folder/client.log. Calls `poll` ten times a second while
// it runs. When the context is cancelled the process is ended and kCancelled returned.
// kUnavailable: not found, or ended with an error; the message carries the last lines of its
// output.
absl::Status RunClient(const std::vector<std::string>& argv, const std::string& folder,
                       const std::function<void()>& poll, const Context& context);

}  // namespace weir::model
