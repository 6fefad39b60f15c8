#include "model/archive.h"

#include <fcntl.h>
#include <unistd.h>
#include <zip.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/status.h"
#include "fmt/core.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

constexpr int64_t kInnerArchiveBytes = int64_t{4} << 30;
constexpr int kDepth = 2;  // an archive in an archive

using Zip = std::unique_ptr<zip_t, decltype(&zip_discard)>;
using ZipFile = std::unique_ptr<zip_file_t, decltype(&zip_fclose)>;

absl::Status Copy(zip_file_t* from, const std::string& target, const Context& context) {
  const int fd = open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, target);
  std::vector<char> buffer(1 << 20);
  absl::Status status;
  while (status.ok()) {
    status = context.CheckCancelled();
    if (!status.ok()) break;
    const zip_int64_t n = zip_fread(from, buffer.data(), buffer.size());
    if (n == 0) break;
    if (n < 0) status = absl::DataLossError("broken data in the archive");
    for (zip_int64_t done = 0; status.ok() && done < n;) {
      const ssize_t wrote = write(fd, buffer.data() + done, n - done);
      if (wrote < 0 && errno != EINTR) status = ErrnoStatus(errno, target);
      if (wrote > 0) done += wrote;
    }
  }
  if (status.ok() && fsync(fd) != 0) status = ErrnoStatus(errno, target);
  close(fd);
  return status;
}

absl::Status ExtractOne(const std::string& archive, const std::string& member, int64_t limit,
                        const std::string& target, const Context& context) {
  int error = 0;
  Zip zip(zip_open(archive.c_str(), ZIP_RDONLY, &error), &zip_discard);
  if (zip == nullptr) {
    return absl::DataLossError(fmt::format("{}: not a zip archive (error {})", archive, error));
  }
  const zip_int64_t index = zip_name_locate(zip.get(), member.c_str(), 0);
  if (index < 0) {
    return absl::NotFoundError(fmt::format("{}: no member {}", archive, Quoted(member)));
  }
  zip_stat_t stat;
  if (zip_stat_index(zip.get(), index, 0, &stat) != 0 || (stat.valid & ZIP_STAT_SIZE) == 0) {
    return absl::DataLossError(fmt::format("{}: {}: size unknown", archive, Quoted(member)));
  }
  // libzip stops at the size that the directory states, so checking that size bounds the copy.
  if (stat.size > static_cast<zip_uint64_t>(limit)) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: {}: {} bytes; at most {}", archive, Quoted(member), stat.size, limit));
  }
  ZipFile file(zip_fopen_index(zip.get(), index, 0), &zip_fclose);
  if (file == nullptr) {
    return absl::DataLossError(fmt::format("{}: {}: cannot be read", archive, Quoted(member)));
  }
  return Annotate(Copy(file.get(), target, context), fmt::format("{}: {}", archive, member));
}

}  // namespace

absl::Status ExtractMember(const std::string& archive, const std::string& member, int64_t limit,
                           const std::string& scratch, const std::string& target,
                           const Context& context) {
  std::string at = archive, rest = member;
  for (int depth = 0; depth < kDepth; ++depth) {
    const size_t mark = rest.find('!');
    const bool last = mark == std::string::npos;
    const std::string to = last ? target : fmt::format("{}/inner-{}.zip", scratch, depth);
    absl::Status status =
        ExtractOne(at, rest.substr(0, mark), last ? limit : kInnerArchiveBytes, to, context);
    std::error_code ignored;
    if (depth > 0) std::filesystem::remove(at, ignored);
    if (!status.ok()) {
      std::filesystem::remove(to, ignored);
      return status;
    }
    if (last) return absl::OkStatus();
    at = to;
    rest = rest.substr(mark + 1);
  }
  return absl::InvalidArgumentError(fmt::format("{}: archives nested too deeply", member));
}

}  // namespace weir::model
