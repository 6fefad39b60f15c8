#include "generate/bench_peer.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace weir::generate {
namespace {

constexpr size_t kMaxAnswer = 64 << 10;
constexpr int kEndWaitMs = 5000;  // for a child to end after its input has ended

absl::Status Unavailable(std::string_view what, int error_number = 0) {
  return absl::UnavailableError(absl::StrCat("peer: ", what, error_number ? ": " : "",
                                             error_number ? std::strerror(error_number) : ""));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BenchPeer>> BenchPeer::Start(const std::vector<std::string>& argv) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return Unavailable("socketpair", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> pointers;
  for (const std::string& a : argv) pointers.push_back(const_cast<char*>(a.c_str()));
  pointers.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return Unavailable(argv[0], error);
  }
  return std::unique_ptr<BenchPeer>(new BenchPeer(child, ends[0]));
}

BenchPeer::~BenchPeer() {
  close(socket_);
  for (int waited = 0; waited < kEndWaitMs; waited += 10) {
    if (waitpid(child_, nullptr, WNOHANG) != 0) return;
    const timespec ten_ms = {0, 10'000'000};
    nanosleep(&ten_ms, nullptr);
  }
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
}

absl::StatusOr<std::string> BenchPeer::Ask(std::string_view line, int timeout_s) {
  std::string message = absl::StrCat(line, "\n");
  for (size_t sent = 0; sent < message.size();) {
    const ssize_t n = send(socket_, message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Unavailable("the process has ended");
    sent += static_cast<size_t>(n);
  }
  while (true) {
    if (const size_t end = unread_.find('\n'); end != std::string::npos) {
      std::string answer = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return answer;
    }
    if (unread_.size() > kMaxAnswer) return Unavailable("an answer without an end");
    pollfd wait = {socket_, POLLIN, 0};
    const int ready = poll(&wait, 1, timeout_s * 1000);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Unavailable(absl::StrCat("no answer within ", timeout_s, " s"));
    char buffer[4096];
    const ssize_t n = recv(socket_, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Unavailable("the process has ended");
    unread_.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace weir::generate
