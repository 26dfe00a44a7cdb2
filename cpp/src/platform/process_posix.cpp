#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "platform/death_signal.h"
#include "platform/descriptors.h"
#include "platform/process.h"
#include "platform/unique_fd.h"
#include "platform/watched_process.h"

namespace tr::platform {
namespace {

/// Everything that the child needs, laid out before it is split off: from there, a child of a program with threads may
/// only make plain system calls.
struct ChildPlan {
    std::vector<char*> argv;
    std::vector<char*> environment;
    const char* working_directory;
    int input;
    int output;
    int report;  ///< end of a pipe that closes when the program has been run, and otherwise carries a Failure
    pid_t parent;
    bool detached;
};

struct Failure {
    int error;
    char step;  ///< 'd' working directory, 'x' exec, 'i' descriptors
};

// A child that shares memory with this program must leave no handler of the program's in place: once signals are let
// through, it would run in both. Also an ignored signal stays ignored over exec, and the worker starts with none.
void reset_signals() {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action{};
        if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_DFL) continue;
        action = {};
        action.sa_handler = SIG_DFL;
        ::sigaction(number, &action, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_child(const ChildPlan& plan) {
    const auto give_up = [&plan](char step) {
        const Failure failure{errno, step};
        [[maybe_unused]] const auto written = ::write(plan.report, &failure, sizeof failure);
        ::_exit(127);
    };
    ::setpgid(0, 0);
    if (!plan.detached) die_with_parent(plan.parent);
    if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0) give_up('i');
    // Whatever else the program has open, sockets and pipes above all, would stay open with the worker.
    close_on_exec_from(3);
    if (plan.working_directory != nullptr && ::chdir(plan.working_directory) != 0) give_up('d');
    reset_signals();
    if (plan.detached)
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_IGN);
    ::execve(plan.argv[0], plan.argv.data(), plan.environment.data());
    give_up('x');
    ::_exit(127);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TR_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TR_SANITIZED 1
#endif
#endif

/// Called on a thread that has every signal blocked.
pid_t split_off(const ChildPlan& plan) {
#if defined(__linux__) && !defined(TR_SANITIZED)
    // fork() copies the page tables: 230 ms for a host that has touched 10 GiB, and a page fault for each page that it
    // writes to afterwards. vfork() copies nothing (0.05 ms): the child borrows the memory, this stack included, and
    // this thread sleeps until its exec or end. The child writes to its own frames and to errno, which no caller reads
    // before the next system call. Handlers of pthread_atfork are passed over. The sanitizers keep books that a
    // borrower would upset; other systems advise against it.
    const pid_t child = ::vfork();
#else
    const pid_t child = ::fork();
#endif
    if (child == 0) run_child(plan);
    return child;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

/// A pipe that no program run by another thread at this moment inherits: reading it would wait for that program's end.
int open_pipe(int* ends) {
#if defined(__APPLE__)  // has no pipe2
    if (::pipe(ends) != 0) return -1;
    for (const int* end = ends; end != ends + 2; ++end) ::fcntl(*end, F_SETFD, FD_CLOEXEC);
    return 0;
#else
    return ::pipe2(ends, O_CLOEXEC);
#endif
}

/// A program may have closed its standard streams; what the child's are made of must not have their numbers.
void raise_above_standard(UniqueFd& fd) {
    if (fd && fd.get() <= 2) fd = UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
}

[[noreturn]] void fail(const std::string& step) {
    throw std::system_error(errno, std::generic_category(), step);
}

class PosixProcess final : public WatchedProcess {
  public:
    PosixProcess(const SpawnOptions& options, std::function<void()> on_exit) : WatchedProcess(std::move(on_exit)) {
        std::exception_ptr error;
        bool spawned = false;
        // The kernel ties "die with the parent" to the parent's thread, so that thread has to live as long as the
        // child: it is the one that waits for it.
        watch([this, &options, &error, &spawned] {
            try {
                pid_ = fork_and_exec(options);
            } catch (...) {
                error = std::current_exception();
            }
            const bool failed = error != nullptr;
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                spawned = true;
                changed_.notify_all();
            }
            if (!failed) wait_for_end();
        });
        {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock, [&spawned] { return spawned; });
        }
        if (error) {
            watcher_.join();
            std::rethrow_exception(error);
        }
    }

    ~PosixProcess() override { end(); }

  private:
    static pid_t fork_and_exec(const SpawnOptions& options) {
        UniqueFd input(options.input >= 0 ? ::fcntl(options.input, F_DUPFD_CLOEXEC, 3)
                                          : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
        raise_above_standard(input);
        if (!input) fail("opening /dev/null");
        UniqueFd output(
            ::open(options.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
        raise_above_standard(output);
        if (!output) fail("opening '" + options.output_path + "'");
        struct stat made{};  // a mask may take the owner's rights away as well
        if (::fstat(output.get(), &made) == 0 && S_ISREG(made.st_mode) && (made.st_mode & 0600) != 0600)
            ::fchmod(output.get(), 0600);
        std::array<int, 2> pipe_ends{};
        if (open_pipe(pipe_ends.data()) != 0) fail("creating a pipe");
        const UniqueFd reader(pipe_ends[0]);
        UniqueFd writer(pipe_ends[1]);
        raise_above_standard(writer);
        if (!writer) fail("creating a pipe");

        const ChildPlan plan{pointers(options.argv),
                             pointers(options.environment),
                             options.working_directory.empty() ? nullptr : options.working_directory.c_str(),
                             input.get(),
                             output.get(),
                             writer.get(),
                             ::getpid(),
                             options.detached};
        const pid_t child = split_off(plan);
        if (child < 0) fail("forking");
        ::setpgid(child, child);  // here too: whichever side comes first
        writer.reset();

        Failure failure{};
        ssize_t count = 0;
        do {
            count = ::read(reader.get(), &failure, sizeof failure);
        } while (count < 0 && errno == EINTR);
        if (count == static_cast<ssize_t>(sizeof failure)) {
            while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
            }
            errno = failure.error;
            if (failure.step == 'd') fail("changing to the working directory '" + options.working_directory + "'");
            if (failure.step == 'i') fail("setting up the standard streams");
            fail("running '" + options.argv[0] + "'");
        }
        return child;
    }

    void wait_for_end() {
        // WNOWAIT leaves the process a zombie, so that its number, and that of its group, cannot be taken by another
        // process before it is noted here.
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
        }
        finish([this] {
            int raw = 0;
            if (::waitpid(pid_, &raw, 0) == pid_) return decode_status(raw);
            ExitStatus unknown;
            unknown.known = false;  // the program ignores SIGCHLD, or waits for any child itself
            return unknown;
        });
    }
};

std::string signal_name(int number) {
    switch (number) {
        case SIGKILL:
            return "SIGKILL; the kernel sends it too when memory runs out";
        case SIGSEGV:
            return "SIGSEGV, a crash in native code";
        case SIGABRT:
            return "SIGABRT";
        case SIGBUS:
            return "SIGBUS";
        case SIGFPE:
            return "SIGFPE";
        case SIGILL:
            return "SIGILL";
        case SIGTERM:
            return "SIGTERM";
        case SIGINT:
            return "SIGINT";
        default:
            return ::strsignal(number);
    }
}

}  // namespace

ExitStatus Process::decode_status(int raw) {
    ExitStatus status;
    if (WIFSIGNALED(raw)) {
        status.signal = WTERMSIG(raw);
        status.over_limit = status.signal == SIGXCPU || status.signal == SIGXFSZ;
    } else {
        status.code = WEXITSTATUS(raw);
    }
    return status;
}

std::string ExitStatus::describe() const {
    if (foreign) return "has ended";
    if (!known) return "ended, and something else in this program took its exit status";
    if (signal != 0) return "was killed by signal " + std::to_string(signal) + " (" + signal_name(signal) + ")";
    return "exited with code " + std::to_string(code);
}

std::unique_ptr<Process> Process::spawn(const SpawnOptions& options, std::function<void()> on_exit) {
    return std::make_unique<PosixProcess>(options, std::move(on_exit));
}

}  // namespace tr::platform
