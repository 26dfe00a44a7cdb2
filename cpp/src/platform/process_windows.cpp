// Windows. Run under wine alone.
#include "platform/process.h"

#include "platform/win32.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <system_error>
#include <thread>

namespace tr::platform {
namespace {

constexpr DWORD kKilledByHost = 0x40010004;  // DBG_TERMINATE_PROCESS, which no program returns by itself

[[noreturn]] void fail(const std::string& step) {
    platform::fail(::GetLastError(), step);
}

/// One word of a command line, as the C run-time library of the new program takes it apart again: backslashes count
/// only before a quotation mark, where each stands for itself when doubled.
std::wstring quoted(const std::wstring& word) {
    if (!word.empty() && word.find_first_of(L" \t\n\v\"") == std::wstring::npos) return word;
    std::wstring result = L"\"";
    std::size_t backslashes = 0;
    for (const wchar_t unit : word) {
        if (unit == L'"') result.append(backslashes + 1, L'\\');
        backslashes = unit == L'\\' ? backslashes + 1 : 0;
        result += unit;
    }
    return result.append(backslashes, L'\\') + L"\"";
}

std::wstring command_line(const std::vector<std::string>& argv) {
    std::wstring line;
    for (const auto& word : argv) line += (line.empty() ? L"" : L" ") + quoted(widen(word));
    return line;
}

/// Strings that each end in a zero, sorted by name as Windows wants them, and a zero after the last.
std::wstring environment_block(const std::vector<std::string>& entries) {
    std::vector<std::wstring> sorted;
    for (const auto& entry : entries) sorted.push_back(widen(entry));
    std::sort(sorted.begin(), sorted.end(), [](const std::wstring& a, const std::wstring& b) {
        const auto name_of = [](const std::wstring& text) {
            return static_cast<int>(std::min(text.find(L'=', 1), text.size()));
        };
        return ::CompareStringOrdinal(a.c_str(), name_of(a), b.c_str(), name_of(b), TRUE) == CSTR_LESS_THAN;
    });
    std::wstring block;
    for (const auto& entry : sorted) block.append(entry).push_back(L'\0');
    if (block.empty()) block.push_back(L'\0');
    block.push_back(L'\0');
    return block;
}

/// A file that the new program gets as one of its standard streams.
UniqueHandle open_stream(const std::wstring& path, DWORD access, DWORD creation) {
    SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
    return UniqueHandle(::CreateFileW(path.c_str(), access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                      &inherited, creation, FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
}

/// What a new process is given besides its command: the handles that it inherits, and no others, and its job, which it
/// is in from its first instruction on. Holds the address of what it is given.
class StartAttributes {
  public:
    StartAttributes(std::array<HANDLE, 2>& handles, HANDLE& job) {
        constexpr DWORD kCount = 2;
        SIZE_T size = 0;
        ::InitializeProcThreadAttributeList(nullptr, kCount, 0, &size);
        memory_.resize(size);
        auto* list = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
        if (!::InitializeProcThreadAttributeList(list, kCount, 0, &size)) fail("preparing the worker's start");
        list_ = list;
        if (!::UpdateProcThreadAttribute(list_, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles.data(), sizeof handles,
                                         nullptr, nullptr) ||
            !::UpdateProcThreadAttribute(list_, 0, PROC_THREAD_ATTRIBUTE_JOB_LIST, &job, sizeof job, nullptr,
                                         nullptr)) {
            const DWORD error = ::GetLastError();
            ::DeleteProcThreadAttributeList(list_);
            platform::fail(error, "preparing the worker's start");
        }
    }
    ~StartAttributes() { ::DeleteProcThreadAttributeList(list_); }
    StartAttributes(const StartAttributes&) = delete;
    StartAttributes& operator=(const StartAttributes&) = delete;
    LPPROC_THREAD_ATTRIBUTE_LIST get() const { return list_; }

  private:
    std::vector<char> memory_;
    LPPROC_THREAD_ATTRIBUTE_LIST list_ = nullptr;
};

/// A job that the system ends, with every process in it, when its only handle closes: at the latest with this process.
UniqueHandle make_job() {
    UniqueHandle job(::CreateJobObjectW(nullptr, nullptr));
    if (!job) fail("creating a job");
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!::SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation, &limits, sizeof limits))
        fail("setting up a job");
    return job;
}

class WindowsProcess final : public Process {
  public:
    WindowsProcess(const SpawnOptions& options, std::function<void()> on_exit)
        : on_exit_(std::move(on_exit)), job_(make_job()) {
        create(options);
        watcher_ = std::thread([this] { watch(); });
    }

    ~WindowsProcess() override {
        kill();
        watcher_.join();
    }

    std::int64_t pid() const override { return pid_; }

    std::optional<ExitStatus> status() const override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return status_;
    }

    bool wait(Deadline deadline) override {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto ended = [this] { return status_.has_value(); };
        if (deadline.is_never()) {
            changed_.wait(lock, ended);
            return true;
        }
        return changed_.wait_until(lock, deadline.when(), ended);
    }

    void terminate() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        // Asking takes a console that both are attached to; a program without one can only end the worker.
        if (!status_ && !::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, pid_))
            ::TerminateJobObject(job_.get(), kKilledByHost);
    }

    void kill() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!status_) ::TerminateJobObject(job_.get(), kKilledByHost);
    }

  private:
    void create(const SpawnOptions& options) {
        const UniqueHandle input = open_stream(L"NUL", GENERIC_READ, OPEN_EXISTING);
        if (!input) fail("opening NUL");
        const UniqueHandle output =
            open_stream(widen(options.output_path), FILE_APPEND_DATA | SYNCHRONIZE, OPEN_ALWAYS);
        if (!output) fail("opening '" + options.output_path + "'");

        std::array<HANDLE, 2> handles{input.get(), output.get()};
        HANDLE job = job_.get();
        const StartAttributes attributes(handles, job);
        STARTUPINFOEXW start{};
        start.StartupInfo.cb = sizeof start;
        start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
        start.StartupInfo.hStdInput = input.get();
        start.StartupInfo.hStdOutput = output.get();
        start.StartupInfo.hStdError = output.get();
        start.lpAttributeList = attributes.get();

        // A group of its own takes it out of Ctrl-C's reach, which is for the host, and makes it one that Ctrl-Break
        // can be sent to. Without a console of the host's it would open a window of its own.
        const DWORD flags = CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT |
                            (::GetConsoleWindow() == nullptr ? CREATE_NO_WINDOW : 0);
        std::wstring line = command_line(options.argv);  // CreateProcess may write to it
        std::wstring environment = environment_block(options.environment);
        const std::wstring directory = widen(options.working_directory);
        PROCESS_INFORMATION made{};
        if (!::CreateProcessW(widen(options.argv[0]).c_str(), line.data(), nullptr, nullptr, TRUE, flags,
                              environment.data(), directory.empty() ? nullptr : directory.c_str(), &start.StartupInfo,
                              &made)) {
            if (::GetLastError() == ERROR_DIRECTORY)
                fail("changing to the working directory '" + options.working_directory + "'");
            fail("running '" + options.argv[0] + "'");
        }
        ::CloseHandle(made.hThread);
        process_ = UniqueHandle(made.hProcess);
        pid_ = made.dwProcessId;
    }

    void watch() {
        ::WaitForSingleObject(process_.get(), INFINITE);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            ::TerminateJobObject(job_.get(), kKilledByHost);  // what the worker started and left behind
            DWORD code = 0;
            const bool known = ::GetExitCodeProcess(process_.get(), &code) != 0;
            status_ = decode_status(static_cast<int>(code));
            status_->known = known;
            changed_.notify_all();
        }
        on_exit_();
    }

    std::function<void()> on_exit_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<ExitStatus> status_;
    const UniqueHandle job_;
    UniqueHandle process_;  ///< open until the end, so that the number below is taken by no other process
    DWORD pid_ = 0;
    std::thread watcher_;
};

const char* exception_name(DWORD code) {
    switch (code) {
        case 0xC0000005:
            return "an access violation, a crash in native code";
        case 0xC0000017:
            return "out of memory";
        case 0xC00000FD:
            return "stack overflow";
        case 0xC0000135:
            return "a DLL was not found";
        case 0xC000013A:
            return "Ctrl-C or Ctrl-Break";
        case 0xC0000374:
            return "heap corruption";
        case 0xC0000409:
            return "abort";
        default:
            return "an exception";
    }
}

}  // namespace

ExitStatus Process::decode_status(int raw) {
    ExitStatus status;
    status.code = raw;
    return status;
}

std::string ExitStatus::describe() const {
    if (!known) return "ended, and its exit status cannot be told";
    const auto number = static_cast<DWORD>(code);
    if (number == kKilledByHost) return "was ended by its host";
    constexpr DWORD kFirstException = 0xC0000000;
    if (number < kFirstException) return "exited with code " + std::to_string(code);
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%08lX", static_cast<unsigned long>(number));
    return std::string("was ended by ") + text.data() + " (" + exception_name(number) + ")";
}

std::unique_ptr<Process> Process::spawn(const SpawnOptions& options, std::function<void()> on_exit) {
    return std::make_unique<WindowsProcess>(options, std::move(on_exit));
}

}  // namespace tr::platform
