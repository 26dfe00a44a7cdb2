// The programs that share one worker: its owner, and those that have taken channels of it.
#include "clients.h"

#include <unistd.h>

#include <exception>
#include <functional>
#include <utility>

#include "faults.h"

namespace tr::faults {
namespace {

constexpr int kThreads = 4;  // of the server
constexpr int kMostSessions = 16;

}  // namespace

void on_threads(std::size_t count, const std::function<void(std::size_t)>& task) {
    std::vector<std::exception_ptr> errors(count);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            try {
                task(i);
            } catch (...) {
                errors[i] = std::current_exception();
            }
        });
    for (auto& thread : threads) thread.join();
    for (const auto& error : errors)
        if (error) std::rethrow_exception(error);
}

Users::~Users() {
    stop();
}

void Users::live(const Program::Line& line) {
    begin();
    for (;;) {
        const char question = line.question();
        std::string answer = "well";
        if (question == 'q') break;
        if (question == 'w') wait_for_rounds();
        if (question == 'e') wait_for_ends();
        if (question == 'a') restart();
        if (question == 'p') answer = std::to_string(sessions[0].stats().worker_pid);
        line.answer(answer);
    }
    stop();
    if (!violation_.empty()) throw Violation(violation_);
}

void Users::begin() {
    stop();
    stopping_ = false;
    wanted_ = 0;
    users_.assign(sessions.size(), {});
    for (std::size_t i = 0; i < sessions.size(); ++i) threads_.emplace_back([this, i] { use(i); });
}

void Users::use(std::size_t which) {
    std::string violation;
    try {
        Drive drive(sessions[which], ::getpid() * kMostSessions + static_cast<int>(which));
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            changed_.wait(lock, [&] { return stopping_ || busy_ || users_[which].rounds < wanted_; });
            if (stopping_) return;
            lock.unlock();
            drive.some_calls();
            lock.lock();
            ++users_[which].rounds;
            changed_.notify_all();
        }
    } catch (const RestartError& error) {
        if (std::string(error.what()).find(named_) == std::string::npos)
            violation = "the error does not name " + named_ + ": " + error.what();
    } catch (const std::exception& error) {
        violation = error.what();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    users_[which].ended = monotonic_ns();
    if (violation_.empty()) violation_ = violation;
    changed_.notify_all();
}

void Users::wait_for_rounds() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++wanted_;
    changed_.notify_all();
    // A round that is under way may have made its calls before the question.
    std::vector<int> goals;
    for (const auto& user : users_) goals.push_back(busy_ ? user.rounds + 2 : wanted_);
    for (std::size_t i = 0; i < users_.size(); ++i)
        changed_.wait(lock, [&] { return users_[i].ended != 0 || users_[i].rounds >= goals[i]; });
    for (const auto& user : users_)
        if (user.ended != 0) throw Violation(violation_.empty() ? "a worker ended that was to live" : violation_);
}

void Users::wait_for_ends() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (const auto& user : users_) changed_.wait(lock, [&user] { return user.ended != 0; });
    if (!violation_.empty()) throw Violation(violation_);
}

void Users::restart() {
    on_threads(sessions.size(), [this](std::size_t which) { sessions[which].restart(); });
    begin();
    wait_for_rounds();
}

void Users::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    for (auto& thread : threads_) thread.join();
    threads_.clear();
}

void be_owner(const Arguments& arguments, bool busy, const Program::Line& line) {
    Users users("SIGKILL", busy);
    users.sessions.emplace_back(options_at_once(options_for(arguments, kSharedSession, false), kThreads));
    users.sessions[0].start();
    users.sessions[0].wait_until_ready();
    users.live(line);
}

void be_clients(const Arguments& arguments, bool busy, pid_t owner, int count, const Program::Line& line) {
    Users users("process " + std::to_string(owner), busy);
    for (int i = 0; i < count; ++i)
        users.sessions.push_back(PythonSession::connect(kSharedSession, options_for(arguments, "", false)));
    users.live(line);
}

}  // namespace tr::faults
