// A control loop of 1 kHz whose law is in Python: control_server.py. It tells how long the worker's answers took and
// how many cycles were late, beside the same loop without a worker. Usage: control_loop [CYCLES]
//
// What matters in such a loop: calls before it begins, until they are quick; a worker that collects no garbage in it;
// and never waiting for longer than the cycle has. For the last the answer is asked for, not waited for: where it is
// late, or the worker has died, the loop goes on with what it has.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <thread>
#include <vector>

#include "tech_renaissance.h"

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;
constexpr std::chrono::microseconds kPeriod(1000);
constexpr std::chrono::microseconds kPatience(800);  // of each cycle, for the answer

/// A mass on a rail: position and speed, pushed by a force for one period.
struct Plant {
    tr::Tensor state = tr::Tensor::from_vector({1.0, 0.0});

    void push(double force) {
        const double dt = 1e-6 * kPeriod.count();
        auto* x = state.data<double>();
        x[0] += dt * x[1];
        x[1] += dt * force;
    }
};

/// Asks the worker for the force. Where the answer does not come in time, the last force goes on, and the answer is
/// taken in a later cycle.
class Remote {
  public:
    explicit Remote(const tr::PythonSession& session) : session_(session) {}

    double force(const tr::Tensor& state, Clock::time_point limit) {
        if (!waiting_) {
            session_.send_tensor(state, "state");
            session_.send_request("force state");
            waiting_ = true;
        }
        // On one core the worker needs it, so it is yielded; where cores are plenty, a plain loop would do.
        while (!session_.new_response() && Clock::now() < limit) std::this_thread::yield();
        if (session_.new_response()) {
            waiting_ = false;
            force_ = session_.wait_for_tensor().data<double>()[0];  // lies ready; or throws how the worker has died
        } else {
            ++late;
        }
        return force_;
    }
    int late = 0;  ///< answers that did not come in their cycle

  private:
    const tr::PythonSession& session_;
    bool waiting_ = false;
    double force_ = 0;
};

/// Runs the loop, and prints a line of figures.
void run(const char* name, int cycles, const std::function<double(const tr::Tensor&, Clock::time_point)>& force) {
    Plant plant;
    std::vector<double> took;
    int missed = 0;
    took.reserve(static_cast<std::size_t>(cycles));
    auto next = Clock::now();
    for (int i = 0; i < cycles; ++i) {
        next += kPeriod;
        std::this_thread::sleep_until(next);
        const auto begin = Clock::now();
        plant.push(force(plant.state, next + kPatience));
        const auto end = Clock::now();
        took.push_back(Microseconds(end - begin).count());
        if (end <= next + kPeriod) continue;
        ++missed;
        next = end;  // what was missed is not made up for
    }
    std::sort(took.begin(), took.end());
    const auto share = [&](double part) { return took[static_cast<std::size_t>(part * (cycles - 1))]; };
    std::printf("%-16s p50 %7.1f us   p99 %7.1f us   p99.9 %7.1f us   %d of %d cycles late, position %.3f\n", name,
                share(0.5), share(0.99), share(0.999), missed, cycles, plant.state.data<double>()[0]);
}

}  // namespace

int main(int count, char** arguments) {
    const int cycles = count > 1 ? std::max(1, std::atoi(arguments[1])) : 10'000;
    try {
        tr::PythonSession session("control_server.py", "control_loop", /*quiet_mode=*/true);
        session.start();
        Plant plant;
        for (int i = 0; i < 200; ++i) session.calculate("force", plant.state);  // until all has been done once

        run("without a worker", cycles, [](const tr::Tensor& state, Clock::time_point) {
            return -8 * state.data<double>()[0] - 4 * state.data<double>()[1];
        });
        Remote remote(session);
        run("with a worker", cycles,
            [&remote](const tr::Tensor& state, Clock::time_point limit) { return remote.force(state, limit); });
        std::printf("%d answers did not come in their cycle\n", remote.late);
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
