#include "cli/peer.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace weir::cli {

absl::StatusOr<std::unique_ptr<WorkPeer>> WorkPeer::Start(const PeerOptions& options,
                                                          std::vector<std::string> arguments) {
  if (options.name.empty()) return nullptr;
  arguments.insert(arguments.begin(), {options.python, options.script});
  WEIR_ASSIGN_OR_RETURN(auto process, generate::BenchPeer::Start(arguments));
  return std::unique_ptr<WorkPeer>(new WorkPeer(std::move(process)));
}

absl::StatusOr<std::string> WorkPeer::Ask(std::string_view kind, std::string_view text,
                                         int timeout_s) {
  const nlohmann::json line = {{std::string(kind), std::string(text)}};
  // What is no UTF-8 becomes U+FFFD: the peer sees as many texts as Weir.
  return process_->Ask(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                       timeout_s);
}

absl::Status WorkPeer::Send(std::string_view kind, std::string_view text) {
  return Ask(kind, text).status();
}

namespace {

double Number(const absl::StatusOr<std::string>& answer, absl::Status& status) {
  status.Update(answer.status());
  double number = 0;
  if (answer.ok() && (!absl::SimpleAtod(*answer, &number) || !(number > 0))) {
    status.Update(absl::UnavailableError(absl::StrCat("peer: not a number: ", *answer)));
  }
  return number;
}

}  // namespace

double WorkPeer::Run(absl::Status& status) {
  return Number(process_->Ask(R"({"run": true})"), status);
}

double WorkPeer::Run(std::string_view kind, std::string_view text, absl::Status& status) {
  return Number(Ask(kind, text), status);
}

}  // namespace weir::cli
