// Kills, disturbs and wears out sessions; run by the Python files beside it, which say what is done with the figures.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <string>

#include "drive.h"

namespace {

tr::faults::Arguments parse(int argc, char** argv) {
    tr::faults::Arguments result;
    const std::map<std::string, std::string*> texts{{"--carrier", &result.carrier}, {"--workspace", &result.workspace},
                                                    {"--steps", &result.steps},     {"--who", &result.who},
                                                    {"--fault", &result.fault},     {"--progress", &result.progress}};
    const std::map<std::string, int*> numbers{{"--kills", &result.kills},
                                              {"--shard", &result.shard},
                                              {"--shards", &result.shards},
                                              {"--sessions", &result.sessions},
                                              {"--threads", &result.threads}};
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        const char* value = argv[i + 1];
        if (const auto text = texts.find(name); text != texts.end()) *text->second = value;
        if (const auto number = numbers.find(name); number != numbers.end()) *number->second = std::atoi(value);
        if (name == "--seconds") result.seconds = std::atof(value);
        if (name == "--seed") result.seed = std::strtoull(value, nullptr, 10);
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    const std::map<std::string, int (*)(const tr::faults::Arguments&)> tasks{
        {"worker", tr::faults::worker_deaths},    {"template", tr::faults::template_deaths},
        {"busy", tr::faults::busy_worker_deaths}, {"host", tr::faults::host_deaths},
        {"client", tr::faults::client_deaths},    {"clients", tr::faults::deaths_among_clients},
        {"doorbells", tr::faults::doorbells},     {"soak", tr::faults::soak},
        {"graph", tr::faults::graph_clients},     {"pool", tr::faults::pool_deaths},
        {"batch", tr::faults::batch_deaths}};
    const auto task = argc > 1 ? tasks.find(argv[1]) : tasks.end();
    if (task == tasks.end()) {
        std::fprintf(stderr,
                     "usage: tr_faults worker|template|busy|host|client|clients|pool|batch|doorbells|soak|graph "
                     "--carrier ... --workspace ...\n");
        return 2;
    }
    try {
        return task->second(parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tr_faults %s: %s\n", argv[1], error.what());
        return 1;
    }
}
