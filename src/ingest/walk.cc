#include "ingest/walk.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ingest/reader.h"

namespace weir::ingest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStoreName = ".weir";

class Walk {
 public:
  explicit Walk(const WalkOptions& options) : options_(options) {}

  absl::Status Start(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      return absl::NotFoundError(absl::StrCat(path, ": no such file or folder"));
    }
    if (!fs::is_directory(status)) {
      AddFile(path, fs::is_regular_file(status), /*code=*/true);
      return CheckCount();
    }
    root_ = fs::canonical(path, error);
    if (error) return ErrnoStatus(error.value(), path);
    return Folder(path);
  }

  WalkResult Finish() {
    std::sort(result_.files.begin(), result_.files.end());
    result_.files.erase(std::unique(result_.files.begin(), result_.files.end()),
                        result_.files.end());
    std::sort(result_.skipped.begin(), result_.skipped.end(),
              [](const SkippedFile& a, const SkippedFile& b) { return a.path < b.path; });
    return std::move(result_);
  }

 private:
  absl::Status Folder(const std::string& top) {
    std::vector<std::pair<std::string, int64_t>> pending = {{top, 0}};
    while (!pending.empty()) {
      const auto [folder, depth] = std::move(pending.back());
      pending.pop_back();
      std::error_code error;
      fs::directory_iterator it(folder, error);
      if (error) {
        Skip(folder, error.message());
        WEIR_RETURN_IF_ERROR(CheckCount());
        continue;
      }
      for (const fs::directory_iterator end; it != end; it.increment(error)) {
        if (Entry(*it)) {
          if (depth + 1 > options_.max_depth) {
            Skip(it->path().string(), "too deep");
          } else {
            pending.emplace_back(it->path().string(), depth + 1);
          }
        }
        WEIR_RETURN_IF_ERROR(CheckCount());
      }
      if (error) Skip(folder, error.message());
    }
    return absl::OkStatus();
  }

  // True when the entry is a folder to go into.
  bool Entry(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (name == kStoreName || (name.starts_with('.') && !options_.hidden)) return false;
    const std::string path = entry.path().string();
    std::error_code error;
    if (entry.is_symlink(error)) {
      Link(path);
      return false;
    }
    if (entry.is_directory(error)) return true;
    AddFile(path, entry.is_regular_file(error), options_.code);
    return false;
  }

  void Link(const std::string& path) {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    if (error) {
      Skip(path, "link that leads nowhere or in a circle");
    } else if (fs::is_directory(target, error)) {
      Skip(path, "link to a folder");
    } else if (!target.string().starts_with(root_.string() + "/")) {
      Skip(path, "link that leads outside");
    } else {
      AddFile(path, fs::is_regular_file(target, error), options_.code);
    }
  }

  void AddFile(const std::string& path, bool regular, bool code) {
    if (!regular) {
      Skip(path, "not a regular file");
    } else if (!Readable(path) || (IsSourceCode(path) && !code)) {
      Skip(path, "no reader for this kind of file");
    } else {
      result_.files.push_back(path);
    }
  }

  void Skip(std::string path, std::string reason) {
    result_.skipped.push_back({std::move(path), std::move(reason)});
  }

  absl::Status CheckCount() const {
    if (static_cast<int64_t>(result_.files.size() + result_.skipped.size()) > options_.max_files) {
      return absl::ResourceExhaustedError(
          absl::StrCat("walk: more than ", options_.max_files, " files"));
    }
    return absl::OkStatus();
  }

  const WalkOptions& options_;
  fs::path root_;
  WalkResult result_;
};

}  // namespace

absl::StatusOr<WalkResult> WalkFiles(const std::vector<std::string>& paths,
                                     const WalkOptions& options) {
  Walk walk(options);
  for (const std::string& path : paths) WEIR_RETURN_IF_ERROR(walk.Start(path));
  return walk.Finish();
}

}  // namespace weir::ingest
