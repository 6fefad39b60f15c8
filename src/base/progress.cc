#include "base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/context.h"

namespace weir {
namespace {

constexpr int64_t kRedrawNs = 100'000'000;  // ten times a second

std::string ShortCount(double count) {
  if (count >= 1e9) return absl::StrFormat("%.1fG", count / 1e9);
  if (count >= 1e6) return absl::StrFormat("%.1fM", count / 1e6);
  if (count >= 1e4) return absl::StrFormat("%.0fk", count / 1e3);
  return absl::StrFormat("%.0f", count);
}

std::string ShortTime(double seconds) {
  const int64_t s = static_cast<int64_t>(std::min(seconds, 359'999.0) + 0.5);
  if (s >= 3600) return absl::StrFormat("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  return absl::StrFormat("%d:%02d", s / 60, s % 60);
}

int TerminalColumns(int fd) {
  struct winsize size;
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// Progress is a courtesy: when stderr is gone, the work goes on.
void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

}  // namespace

struct Progress::State {
  std::mutex mutex;
  ProgressMode mode;
  int fd;
  Clock now_ns;
  std::string task;
  std::string unit;
  int64_t total = 0;
  int64_t done = 0;
  int64_t started_ns = 0;
  int64_t drawn_ns = 0;
  bool active = false;

  double Rate(int64_t now) const {
    const double seconds = static_cast<double>(now - started_ns) / 1e9;
    return seconds > 0 ? static_cast<double>(done) / seconds : 0;
  }

  std::string Line(int64_t now) const {
    const double rate = Rate(now);
    std::string line = task;
    if (total > 0) {
      absl::StrAppendFormat(&line, "  %3.0f%%  %s/%s %s", 100.0 * done / total, ShortCount(done),
                            ShortCount(total), unit);
    } else {
      absl::StrAppend(&line, "  ", ShortCount(done), " ", unit);
    }
    absl::StrAppend(&line, "  ", ShortCount(rate), "/s");
    if (total > done && rate > 0) {
      absl::StrAppend(&line, "  ", ShortTime((total - done) / rate), " left");
    }
    const size_t columns = static_cast<size_t>(TerminalColumns(fd));
    if (line.size() >= columns) line.resize(columns - 1);
    return line;
  }

  void Draw(bool finished) {
    if (mode == ProgressMode::kOff || !active) return;
    const int64_t now = now_ns();
    if (!finished && now - drawn_ns < kRedrawNs) return;
    drawn_ns = now;
    if (mode == ProgressMode::kAuto) {
      // \r goes to the line's start, ESC [ K clears what is right of the cursor.
      WriteAll(fd, finished ? "\r\x1b[K" : absl::StrCat("\r", Line(now), "\x1b[K"));
      return;
    }
    nlohmann::ordered_json json = {{"task", task}, {"done", done}, {"total", total},
                                   {"unit", unit}, {"rate", Rate(now)}, {"finished", finished}};
    WriteAll(fd,
             json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
};

Progress::Progress(ProgressMode mode) : Progress(mode, STDERR_FILENO, SteadyNowNs) {
  if (mode == ProgressMode::kAuto && ::isatty(STDERR_FILENO) == 0) {
    state_->mode = ProgressMode::kOff;
  }
}

Progress::Progress(ProgressMode mode, int fd, std::function<int64_t()> now_ns)
    : state_(std::make_unique<State>()) {
  state_->mode = mode;
  state_->fd = fd;
  state_->now_ns = std::move(now_ns);
}

Progress::~Progress() { Finish(); }

void Progress::Start(std::string_view task, int64_t total, std::string_view unit) {
  std::lock_guard lock(state_->mutex);
  state_->Draw(true);  // of the task before, when it was not finished
  state_->task = std::string(task);
  state_->unit = std::string(unit);
  state_->total = total;
  state_->done = 0;
  state_->started_ns = state_->now_ns();
  state_->drawn_ns = state_->started_ns;
  state_->active = true;
}

void Progress::Advance(int64_t by) {
  std::lock_guard lock(state_->mutex);
  state_->done += by;
  state_->Draw(false);
}

void Progress::Finish() {
  std::lock_guard lock(state_->mutex);
  state_->Draw(true);
  state_->active = false;
}

}  // namespace weir
