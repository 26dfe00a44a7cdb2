#pragma once

#include <pthread.h>

namespace tr::test {

/// No thread can be started in this process for as long as it lives: there is no room for the stack of one.
class StarvedOfThreads {
  public:
    StarvedOfThreads() {
        ::pthread_getattr_default_np(&before_);
        pthread_attr_t huge;
        ::pthread_attr_init(&huge);
        ::pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
        ::pthread_setattr_default_np(&huge);
        ::pthread_attr_destroy(&huge);
    }
    ~StarvedOfThreads() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }
    StarvedOfThreads(const StarvedOfThreads&) = delete;
    StarvedOfThreads& operator=(const StarvedOfThreads&) = delete;

  private:
    pthread_attr_t before_{};
};

}  // namespace tr::test
