#include "model/client_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/status.h"
#include "fmt/core.h"

namespace weir::model {
namespace {

constexpr int64_t kPollNs = 100'000'000;
constexpr int kGracePolls = 20;  // two seconds from SIGTERM to SIGKILL
constexpr size_t kTailBytes = 2000;
constexpr int kTailLines = 8;

// The last lines of the log; control characters become spaces.
std::string Tail(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(0, std::ios::end);
  const int64_t size = in.tellg();
  in.seekg(std::max<int64_t>(0, size - static_cast<int64_t>(kTailBytes)));
  std::string text((std::istreambuf_iterator<char>(in)), {});
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32 && c != '\n') c = ' ';
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  size_t from = text.size();
  for (int line = 0; line < kTailLines && from != std::string::npos && from > 0; ++line) {
    from = text.rfind('\n', from - 1);
  }
  return from == std::string::npos ? text : text.substr(from + (text[from] == '\n' ? 1 : 0));
}

// This process's environment with TMPDIR set, so that downloads count and are cleaned away with the
// folder.
std::vector<std::string> Environment(const std::string& folder) {
  std::vector<std::string> out;
  for (char** e = environ; *e != nullptr; ++e) {
    if (!std::string_view(*e).starts_with("TMPDIR=")) out.emplace_back(*e);
  }
  out.push_back("TMPDIR=" + folder);
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

// The exit status, or nothing while the process runs.
bool Ended(pid_t pid, int& status) {
  pid_t got;
  do {
    got = waitpid(pid, &status, WNOHANG);
  } while (got < 0 && errno == EINTR);
  return got != 0;
}

void Pause() {
  const timespec pause{.tv_sec = 0, .tv_nsec = kPollNs};
  nanosleep(&pause, nullptr);
}

void Stop(pid_t pid) {
  int status = 0;
  kill(pid, SIGTERM);
  for (int i = 0; i < kGracePolls; ++i) {
    if (Ended(pid, status)) return;
    Pause();
  }
  kill(pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

absl::Status RunClient(const std::vector<std::string>& argv, const std::string& folder,
                       const std::function<void()>& poll, const Context& context) {
  const std::string log = folder + "/client.log";
  std::vector<std::string> arguments = argv, environment = Environment(folder);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0].c_str(), &actions, nullptr,
                                 Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return absl::UnavailableError(fmt::format("{}: cannot be started ({}); is it installed?",
                                              argv[0], std::generic_category().message(error)));
  }
  int status = 0;
  while (!Ended(pid, status)) {
    if (absl::Status cancelled = context.CheckCancelled(); !cancelled.ok()) {
      Stop(pid);
      return cancelled;
    }
    poll();
    Pause();
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  std::string command;
  for (const std::string& a : argv) command += (command.empty() ? "" : " ") + a;
  const std::string how = WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                                            : fmt::format("signal {}", WTERMSIG(status));
  return absl::UnavailableError(fmt::format("`{}` failed with {}:\n{}", command, how, Tail(log)));
}

}  // namespace weir::model
