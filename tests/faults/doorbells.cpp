// Rings that are lost, late or repeated, on either side: each request gets its answer all the same.
#include <algorithm>

#include "cell.h"
#include "drive.h"
#include "faults.h"

namespace tr::faults {
namespace {

constexpr int kNth = 3;  // of each three rings one is disturbed, so that each kind of ring has its turn

RingFault fault_of(const std::string& name) {
    return name == "drop" ? RingFault::drop : name == "delay" ? RingFault::delay : RingFault::repeat;
}

}  // namespace

int doorbells(const Arguments& arguments) {
    Cell cell;
    cell.who = "nobody";
    cell.carrier = arguments.carrier;
    cell.step = "ring of the " + arguments.who + ": " + arguments.fault;
    auto options = options_for(arguments, "rings", false);
    options.environment["TR_FAULT_RINGS"] = "1";
    PythonSession session(options);
    session.start();
    session.wait_until_ready();
    const bool here = arguments.who == "host";
    if (here)
        disturb_rings(fault_of(arguments.fault), kNth);
    else
        session.fetch_response("disturb " + arguments.fault + " " + std::to_string(kNth));
    Drive drive(session);
    std::int64_t slowest = 0;
    try {
        while (cell.kills < arguments.kills) {
            const std::int64_t start = monotonic_ns();
            drive.calls();
            slowest = std::max(slowest, (monotonic_ns() - start) / 1'000'000);
            ++cell.outcomes["answered"];
            cell.kills = here ? disturbed_rings() : std::stoi(session.fetch_response("disturb"));
        }
    } catch (const TimeoutError& error) {
        cell.violation(cell.hung, error.what());
    } catch (const std::exception& error) {
        cell.violation(cell.lost, error.what());
    }
    disturb_rings(RingFault::none, 1);
    cell.noticed_us.push_back(slowest * 1000);
    cell.print();
    return 0;
}

}  // namespace tr::faults
