#include "processes.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "worker/session_directory.h"

namespace tr::faults {
namespace {

constexpr char kFailed = '!';  // begins an answer that tells of an exception

}  // namespace

void adopt_orphans() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};  // ends a wait, no more
    ::sigaction(SIGALRM, &nothing, nullptr);
}

pid_t wait_for_child(pid_t which, int& status) {
    ::alarm(kHungSeconds);
    const pid_t found = ::waitpid(which, &status, 0);
    const int error = errno;
    ::alarm(0);
    errno = error;
    return found;
}

std::set<std::string> left_in_workspace(const Arguments& arguments, std::set<std::string> expected) {
    const SessionDirectory next(arguments.workspace, "next");  // what a start does first
    expected.insert({".lock", "tr_session_next"});
    std::set<std::string> left;
    for (const auto& entry : std::filesystem::directory_iterator(arguments.workspace + "/python_session"))
        if (const auto name = entry.path().filename().string(); expected.count(name) == 0) left.insert(name);
    return left;
}

char Program::Line::question() const {
    char letter = 0;
    if (::recv(socket_, &letter, 1, 0) != 1) ::_exit(1);  // nobody asks any more
    return letter;
}

void Program::Line::answer(const std::string& text) const {
    if (::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) < 0) ::_exit(1);
}

Program::Program(const std::function<void(const Line&)>& live) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::runtime_error("socketpair");
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(ends[0]);
        const Line line(ends[1]);
        try {
            live(line);
            ::_exit(0);
        } catch (const std::exception& error) {
            line.answer(kFailed + std::string(error.what()));
            ::_exit(1);
        }
    }
    ::close(ends[1]);
    socket_ = ends[0];
}

Program::~Program() {
    kill();
    ::close(socket_);
}

void Program::ask(char question) const {
    if (::send(socket_, &question, 1, MSG_NOSIGNAL) != 1) answer();  // it has failed, and says why
}

std::string Program::answer() const {
    pollfd ready{socket_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(kHungSeconds) * 1000) != 1) throw Hung("a program does not answer");
    std::string text(65'536, '\0');
    const auto size = ::recv(socket_, text.data(), text.size(), 0);
    if (size <= 0) throw Violation("a program has ended that was to answer");
    text.resize(static_cast<std::size_t>(size));
    if (text[0] == kFailed) throw Violation(text.substr(1));
    return text;
}

std::string Program::ask_for(char question) const {
    ask(question);
    return answer();
}

void Program::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
}

int Program::wait() {
    int status = 0;
    if (wait_for_child(pid_, status) != pid_) {
        kill();
        throw Hung("a program does not end");
    }
    pid_ = 0;
    return status;
}

}  // namespace tr::faults
