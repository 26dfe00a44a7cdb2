#include "worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace bench {

WorkerProcess::WorkerProcess(const std::string& python, const std::string& script,
                             const std::vector<std::string>& arguments) {
    std::vector<const char*> words = {python.c_str(), script.c_str()};
    for (const auto& argument : arguments) words.push_back(argument.c_str());
    words.push_back(nullptr);
    int ends[2];
    checked(::pipe2(ends, O_CLOEXEC), "pipe2");
    const pid_t parent = ::getpid();
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        const int null = ::open("/dev/null", O_RDONLY);
        ::dup2(null, STDIN_FILENO);
        ::dup2(ends[1], STDOUT_FILENO);
        ::execvp(words[0], const_cast<char* const*>(words.data()));
        ::_exit(127);
    }
    ::close(ends[1]);
    char letter = 0;
    while (::read(ends[0], &letter, 1) == 1 && letter != '\n') continue;
    ::close(ends[0]);
    if (letter != '\n') throw std::runtime_error("the worker " + script + " ended before it was ready");
}

WorkerProcess::~WorkerProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

ScratchFolder::ScratchFolder() {
    const std::filesystem::path memory = "/dev/shm";
    path_ =
        ((::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path()) / "tr-bench-XXXXXX")
            .string();
    if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace bench
