#include "ingest/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::ingest {
namespace {

absl::Status SetLimit(__rlimit_resource_t which, rlim_t soft, rlim_t hard, const char* name) {
  rlimit now{};
  if (getrlimit(which, &now) == 0 && now.rlim_max != RLIM_INFINITY) {
    hard = std::min(hard, now.rlim_max);  // never raised
    soft = std::min(soft, hard);
  }
  const rlimit limit{soft, hard};
  if (setrlimit(which, &limit) != 0) return ErrnoStatus(errno, absl::StrCat("setrlimit ", name));
  return absl::OkStatus();
}

struct Usage {
  rlim_t address_space = 0, data = 0;  // bytes
};

Usage CurrentUsage() {
  Usage usage;
  FILE* file = fopen("/proc/self/statm", "re");
  if (file == nullptr) return usage;
  unsigned long size = 0, data = 0;
  if (fscanf(file, "%lu %*u %*u %*u %*u %lu", &size, &data) == 2) {
    const rlim_t page = static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
    usage = {size * page, data * page};
  }
  fclose(file);
  return usage;
}

// Frees the filter when it leaves.
struct Filter {
  scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
  ~Filter() {
    if (context != nullptr) seccomp_release(context);
  }
};

constexpr int kPlainCalls[] = {
    SCMP_SYS(read),          SCMP_SYS(pread64),        SCMP_SYS(readv),
    SCMP_SYS(close),         SCMP_SYS(fstat),          SCMP_SYS(lseek),
    SCMP_SYS(munmap),        SCMP_SYS(mremap),         SCMP_SYS(madvise),
    SCMP_SYS(brk),           SCMP_SYS(futex),          SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),  SCMP_SYS(time),           SCMP_SYS(getpid),
    SCMP_SYS(gettid),        SCMP_SYS(rt_sigaction),   SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sigaltstack),    SCMP_SYS(exit),
    SCMP_SYS(exit_group),    SCMP_SYS(getrandom),      SCMP_SYS(sched_yield),
    SCMP_SYS(getrusage),     SCMP_SYS(restart_syscall), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),    SCMP_SYS(sysinfo),  // qsort asks for it
};

scmp_arg_cmp Equals(unsigned argument, int value) {
  return {argument, SCMP_CMP_EQ, static_cast<scmp_datum_t>(value), 0};
}

int AddRules(scmp_filter_ctx c, int reply_fd) {
  for (int call : kPlainCalls) {
    if (int e = seccomp_rule_add(c, SCMP_ACT_ALLOW, call, 0); e != 0) return e;
  }
  // Writing to the reply alone.
  for (int call : {SCMP_SYS(write), SCMP_SYS(writev)}) {
    if (int e = seccomp_rule_add(c, SCMP_ACT_ALLOW, call, 1, Equals(0, reply_fd)); e != 0) return e;
  }
  // UndefinedBehaviorSanitizer asks whether memory is readable by writing it to a pipe of its own.
  if (!MemoryLimitsHold()) {
    for (int call : {SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(write)}) {
      if (int e = seccomp_rule_add(c, SCMP_ACT_ALLOW, call, 0); e != 0) return e;
    }
  }
  // Memory, never executable, and no new view of a file.
  const scmp_arg_cmp not_exec = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  if (int e = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, not_exec,
                               scmp_arg_cmp{3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS});
      e != 0) {
    return e;
  }
  if (int e = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_exec); e != 0)
    return e;
  // abort() signals the own process only.
  return seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, Equals(0, getpid()));
}

}  // namespace

bool MemoryLimitsHold() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return false;
#else
  return true;
#endif
#else
  return true;
#endif
}

absl::Status LimitResources(const SandboxLimits& limits) {
  const rlim_t cpu = static_cast<rlim_t>(limits.cpu_seconds);
  WEIR_RETURN_IF_ERROR(SetLimit(RLIMIT_CORE, 0, 0, "core"));
  WEIR_RETURN_IF_ERROR(SetLimit(RLIMIT_FSIZE, 0, 0, "file size"));
  WEIR_RETURN_IF_ERROR(SetLimit(RLIMIT_CPU, cpu + 1, cpu + 2, "processor time"));
  if (MemoryLimitsHold()) {
    const Usage now = CurrentUsage();
    const rlim_t memory = static_cast<rlim_t>(limits.memory_bytes);
    WEIR_RETURN_IF_ERROR(SetLimit(RLIMIT_DATA, now.data + memory, now.data + memory, "data"));
    // Address space also counts what is only reserved; allocators reserve ahead.
    const rlim_t space = now.address_space + memory + memory / 2;
    WEIR_RETURN_IF_ERROR(SetLimit(RLIMIT_AS, space, space, "address space"));
    WEIR_RETURN_IF_ERROR(SetLimit(RLIMIT_NOFILE, 0, 0, "descriptors"));
  }
  return absl::OkStatus();
}

absl::Status CloseSandbox(int reply_fd) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "no new privileges");
  Filter filter;
  if (filter.context == nullptr)
    return absl::ResourceExhaustedError("system-call filter: no memory");
  int error = AddRules(filter.context, reply_fd);
  if (error == 0) error = seccomp_load(filter.context);
  if (error != 0) return ErrnoStatus(-error, "system-call filter");
  return absl::OkStatus();
}

}  // namespace weir::ingest
