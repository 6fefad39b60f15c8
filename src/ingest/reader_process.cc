// The parent's side of reader_process.h.
#include "ingest/reader_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/options.h"
#include "base/status.h"
#include "ingest/reader_table.h"
#include "ingest/sandbox.h"
#include "ingest/wire.h"

extern char** environ;

namespace weir::ingest {
namespace internal {
std::optional<int> ServeVerb(int argc, char** argv);
}
namespace {

constexpr int64_t kMaxOverheadBytes = int64_t{64} << 20;  // of a reply, beyond three times its text
constexpr int kPollMs = 50;                               // between looks at cancellation

// Written once before threads start: which program to start for readers; null for none known.
std::atomic<const std::string*> reader_program{nullptr};

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::vector<std::string> Arguments(const std::string& verb, const std::string& format,
                                   const ReadLimits& limits) {
  std::vector<std::string> arguments = {"weir-reader", verb, format};
  ReadLimits copy = limits;
  const OptionTable table = BindOptions(copy);
  for (const OptionField& field : table.fields()) {
    arguments.push_back(absl::StrCat(field.spec().name, "=", field.Get()));
  }
  return arguments;
}

absl::StatusOr<pid_t> SpawnProgram(const std::string& program, std::vector<std::string> arguments,
                                   int file, int reply) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (posix_spawn_file_actions_init(&actions) != 0) return absl::ResourceExhaustedError("spawn");
  posix_spawnattr_init(&attributes);
  // Through free numbers first, so that neither dup overwrites the other's source.
  const int high = std::max({file, reply, 2}) + 1;
  posix_spawn_file_actions_adddup2(&actions, file, high);
  posix_spawn_file_actions_adddup2(&actions, reply, high + 1);
  posix_spawn_file_actions_adddup2(&actions, high, 0);
  posix_spawn_file_actions_adddup2(&actions, high + 1, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start of reader process ", program));
  return pid;
}

// How many threads this process has; 2 when that cannot be told.
int ThreadCount() {
  std::error_code error;
  int count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/task", error), end; !error && it != end;
       it.increment(error)) {
    ++count;
  }
  return error || count == 0 ? 2 : count;
}

absl::StatusOr<pid_t> ForkReader(std::vector<std::string> arguments, int file, int reply) {
  if (ThreadCount() != 1) {
    return absl::UnavailableError(
        "reader process: this program has threads and does not call ingest::ReaderMain first");
  }
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork of reader process");
  if (pid > 0) return pid;
  const int in = fcntl(file, F_DUPFD, 3);
  const int out = fcntl(reply, F_DUPFD, 3);
  const int null = open("/dev/null", O_WRONLY);
  dup2(in, 0);
  dup2(out, 1);
  dup2(null, 2);
  close_range(3, ~0u, 0);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  _exit(internal::ServeVerb(static_cast<int>(argv.size()), argv.data()).value_or(1));
}

// Reads the reply until the child closes it. Errors: kDeadlineExceeded, kCancelled,
// kResourceExhausted.
absl::Status ReadReply(int fd, int64_t deadline_ns, int64_t max_bytes, const Context& context,
                       std::string& reply) {
  char buffer[1 << 16];
  while (true) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const int64_t left_ms = (deadline_ns - SteadyNowNs()) / 1'000'000;
    if (left_ms <= 0) return absl::DeadlineExceededError("reader time is used up");
    pollfd p{fd, POLLIN, 0};
    const int ready = poll(&p, 1, static_cast<int>(std::min<int64_t>(left_ms, kPollMs)));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (ready <= 0) continue;
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read of reader's reply");
    if (n == 0) return absl::OkStatus();
    if (static_cast<int64_t>(reply.size()) + n > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("reader's reply: more than ", max_bytes, " bytes"));
    }
    reply.append(buffer, static_cast<size_t>(n));
  }
}

struct Ending {
  int status = 0;
  int64_t peak_bytes = 0;
};

// Waits for the child until the deadline, then kills it. Never leaves a child behind.
Ending Reap(pid_t pid, int64_t deadline_ns) {
  Ending ending;
  rusage usage{};
  int pause_us = 50;
  while (true) {
    const pid_t got = wait4(pid, &ending.status, WNOHANG, &usage);
    if (got == pid || (got < 0 && errno != EINTR)) break;
    if (SteadyNowNs() > deadline_ns) kill(pid, SIGKILL);
    usleep(static_cast<useconds_t>(pause_us));
    pause_us = std::min(pause_us * 2, 5000);
  }
  ending.peak_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  return ending;
}

absl::Status DeathStatus(const Ending& ending, const ReadLimits& limits) {
  if (!WIFSIGNALED(ending.status)) {
    return absl::DataLossError(absl::StrCat("reader ended with code ", WEXITSTATUS(ending.status)));
  }
  const int signal = WTERMSIG(ending.status);
  if (signal == SIGXCPU || signal == SIGKILL) {
    return absl::DeadlineExceededError(
        absl::StrCat("reader time: more than ", limits.seconds, " s"));
  }
  if (signal == SIGSYS) return absl::DataLossError("reader tried a forbidden system call");
  if (ending.peak_bytes > (limits.memory_mb << 20) * 9 / 10) {
    return absl::ResourceExhaustedError(
        absl::StrCat("reader memory: more than ", limits.memory_mb, " MB"));
  }
  return absl::DataLossError(absl::StrCat("reader crashed: ", strsignal(signal)));
}

// Opens a regular file for reading and fills `info`.
absl::StatusOr<int> OpenRegular(const std::string& path, struct stat& info) {
  // Without O_NONBLOCK a named pipe would block here.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return ErrnoStatus(errno, path);
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    close(fd);
    return ErrnoStatus(error, path);
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  return fd;
}

}  // namespace

std::optional<int> ReaderMain(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], kReaderVerb) == 0) return internal::ServeVerb(argc, argv);
  UseReaderProgram("/proc/self/exe");
  return std::nullopt;
}

void UseReaderProgram(const std::string& program) {
  // Never freed: another thread may hold the old name; this is called once or twice in a program's
  // life.
  reader_program.store(std::make_unique<std::string>(program).release());
}

absl::StatusOr<text::Document> ReadInChild(int file, const std::string& program,
                                           const std::string& verb, const std::string& format,
                                           const ReadLimits& limits, const Context& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  Fd in(ends[0]), out(ends[1]);
  const int64_t deadline_ns = SteadyNowNs() + limits.seconds * 1'000'000'000;
  std::vector<std::string> arguments = Arguments(verb, format, limits);
  WEIR_ASSIGN_OR_RETURN(const pid_t pid,
                        program.empty()
                            ? ForkReader(std::move(arguments), file, out.get())
                            : SpawnProgram(program, std::move(arguments), file, out.get()));
  out.Close();
  std::string reply;
  const int64_t max_bytes = (limits.text_mb << 20) * 3 + kMaxOverheadBytes;
  const absl::Status read = ReadReply(in.get(), deadline_ns, max_bytes, context, reply);
  if (!read.ok()) kill(pid, SIGKILL);
  const Ending ending = Reap(pid, deadline_ns);
  if (absl::IsDeadlineExceeded(read)) return DeathStatus({SIGKILL, 0}, limits);
  WEIR_RETURN_IF_ERROR(read);
  if (WIFSIGNALED(ending.status) || reply.empty()) return DeathStatus(ending, limits);
  return DecodeReply(reply, limits.text_mb << 20);
}

absl::StatusOr<text::Document> ReadDocument(const std::string& path, const ReadLimits& limits,
                                            const Context& context) {
  WEIR_RETURN_IF_ERROR(context.CheckCancelled());
  struct stat before{}, after{};
  WEIR_ASSIGN_OR_RETURN(const int fd, OpenRegular(path, before));
  Fd file(fd);
  if (before.st_size > limits.file_mb << 20) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": ", before.st_size,
                                                     " bytes; expected at most ", limits.file_mb,
                                                     " MB"));
  }
  char head[4096];
  const ssize_t n = pread(file.get(), head, sizeof(head), 0);
  if (n < 0) return ErrnoStatus(errno, path);
  const std::unique_ptr<Reader> reader =
      FindReader(path, std::string_view(head, static_cast<size_t>(n)));
  if (reader == nullptr) {
    return absl::UnimplementedError(absl::StrCat(path, ": no reader for this kind of file"));
  }
  const std::string* program = reader_program.load();
  absl::StatusOr<text::Document> document =
      ReadInChild(file.get(), program == nullptr ? "" : *program, kReaderVerb,
                  std::string(reader->format()), limits, context);
  if (!document.ok()) return Annotate(document.status(), path);
  // Through the descriptor, so it is the same file even when the name has moved on.
  WEIR_ASSIGN_OR_RETURN(document->sha256, Sha256File(absl::StrCat("/proc/self/fd/", file.get())));
  if (fstat(file.get(), &after) != 0 || after.st_size != before.st_size ||
      after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
      after.st_mtim.tv_nsec != before.st_mtim.tv_nsec) {
    return absl::AbortedError(absl::StrCat(path, ": changed while it was read"));
  }
  document->path = path;
  return document;
}

absl::StatusOr<text::Document> ReadInProcess(std::string_view path, std::string_view bytes,
                                             const ReadLimits& limits) {
  if (static_cast<int64_t>(bytes.size()) > limits.file_mb << 20) {
    return absl::ResourceExhaustedError("file too large");
  }
  const std::unique_ptr<Reader> reader = FindReader(path, bytes.substr(0, 4096));
  if (reader == nullptr) {
    return absl::UnimplementedError(absl::StrCat(path, ": no reader for this kind of file"));
  }
  WEIR_RETURN_IF_ERROR(reader->Prepare());
  WEIR_ASSIGN_OR_RETURN(text::Document document, reader->Read(bytes, limits));
  WEIR_RETURN_IF_ERROR(CheckDocument(document, limits.text_mb << 20));
  document.path = std::string(path);
  document.sha256 = Sha256(bytes);
  return document;
}

}  // namespace weir::ingest
