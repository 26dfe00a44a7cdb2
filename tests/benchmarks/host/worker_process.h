#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

/// A Python worker that has printed a line to say it is ready; killed with this object, or with the host.
class WorkerProcess {
  public:
    WorkerProcess(const std::string& python, const std::string& script, const std::vector<std::string>& arguments);
    ~WorkerProcess();
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;
    pid_t pid() const { return pid_; }

  private:
    pid_t pid_ = -1;
};

/// A folder in memory (/dev/shm, else the temporary folder) that goes with this object, with the files in it.
class ScratchFolder {
  public:
    ScratchFolder();
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// @throws std::system_error with the text when `result` is negative
template <class T>
T checked(T result, const char* what);

}  // namespace bench

#include <cerrno>
#include <system_error>

template <class T>
T bench::checked(T result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}
