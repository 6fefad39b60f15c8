// The child's side of reader_process.h.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/options.h"
#include "base/status.h"
#include "ingest/reader_process.h"
#include "ingest/reader_table.h"
#include "ingest/sandbox.h"
#include "ingest/wire.h"

namespace weir::ingest {
namespace {

constexpr int kFile = 0;
constexpr int kReply = 1;

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Maps descriptor 0 whole and closes it.
absl::StatusOr<std::string_view> MapInput(const ReadLimits& limits) {
  struct stat info{};
  if (fstat(kFile, &info) != 0) return ErrnoStatus(errno, "fstat");
  if (info.st_size > limits.file_mb << 20) return absl::ResourceExhaustedError("file too large");
  if (info.st_size == 0) return std::string_view();
  void* data = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, kFile, 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, "mmap");
  close(kFile);
  return std::string_view(static_cast<const char*>(data), static_cast<size_t>(info.st_size));
}

absl::StatusOr<std::string_view> Enter(Reader& reader, const ReadLimits& limits) {
  WEIR_ASSIGN_OR_RETURN(const std::string_view bytes, MapInput(limits));
  WEIR_RETURN_IF_ERROR(reader.Prepare());
  WEIR_RETURN_IF_ERROR(LimitResources({limits.memory_mb << 20, limits.seconds}));
  WEIR_RETURN_IF_ERROR(CloseSandbox(kReply));
  return bytes;
}

std::string Reply(Reader& reader, const ReadLimits& limits) {
  try {  // library throws
    const absl::StatusOr<std::string_view> bytes = Enter(reader, limits);
    if (!bytes.ok()) return EncodeReply(bytes.status());
    return EncodeReply(reader.Read(*bytes, limits));
  } catch (const std::bad_alloc&) {
    return EncodeReply(absl::ResourceExhaustedError(
        absl::StrCat("reader memory: more than ", limits.memory_mb, " MB")));
  } catch (const std::exception& e) {
    return EncodeReply(absl::DataLossError(absl::StrCat("reader: ", e.what())));
  }
}

}  // namespace

void ServeReader(Reader& reader, const ReadLimits& limits) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  _exit(WriteAll(kReply, Reply(reader, limits)) ? 0 : 1);
}

absl::StatusOr<ReadLimits> ReaderLimits(int argc, char** argv) {
  ReadLimits limits;
  OptionTable table = BindOptions(limits);
  for (int i = 3; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const size_t equals = arg.find('=');
    if (equals == std::string_view::npos) {
      return absl::InvalidArgumentError("reader: malformed argument; expected name=value");
    }
    WEIR_RETURN_IF_ERROR(table.Set(arg.substr(0, equals), arg.substr(equals + 1)));
  }
  return limits;
}

namespace internal {

std::optional<int> ServeVerb(int argc, char** argv) {
  const absl::StatusOr<ReadLimits> limits = ReaderLimits(argc, argv);
  absl::Status status = limits.status();
  std::unique_ptr<Reader> reader = argc > 2 ? FindReaderOfFormat(argv[2]) : nullptr;
  if (status.ok() && reader == nullptr) status = absl::UnimplementedError("reader: unknown format");
  if (!status.ok()) {
    WriteAll(kReply, EncodeReply(status));
    return 1;
  }
  ServeReader(*reader, *limits);
}

}  // namespace internal
}  // namespace weir::ingest
