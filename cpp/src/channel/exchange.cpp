#include "channel/exchange.h"

#include <stdexcept>
#include <string>

namespace tr::channel {
namespace {

struct Row {
    Exchange state;
    Event event;
    Exchange next;
};

constexpr Row kTable[] = {
    {Exchange::idle, Event::published, Exchange::in_flight},
    {Exchange::idle, Event::gave_up, Exchange::idle},
    {Exchange::idle, Event::lost, Exchange::idle},
    {Exchange::in_flight, Event::part_came, Exchange::streaming},
    {Exchange::in_flight, Event::answered, Exchange::idle},
    {Exchange::in_flight, Event::gave_up, Exchange::given_up},
    {Exchange::in_flight, Event::lost, Exchange::idle},
    {Exchange::streaming, Event::part_came, Exchange::streaming},
    {Exchange::streaming, Event::answered, Exchange::idle},
    {Exchange::streaming, Event::gave_up, Exchange::given_up},
    {Exchange::streaming, Event::lost, Exchange::idle},
    {Exchange::given_up, Event::part_came, Exchange::given_up},
    {Exchange::given_up, Event::answered, Exchange::idle},
    {Exchange::given_up, Event::gave_up, Exchange::given_up},
    {Exchange::given_up, Event::lost, Exchange::idle},
};

}  // namespace

Exchange after(Exchange state, Event event) {
    for (const auto& row : kTable)
        if (row.state == state && row.event == event) return row.next;
    throw std::logic_error(std::string("a request that is ") + to_string(state) + " cannot be " + to_string(event));
}

const char* to_string(Exchange state) {
    switch (state) {
        case Exchange::idle:
            return "idle";
        case Exchange::in_flight:
            return "in flight";
        case Exchange::streaming:
            return "streaming";
        case Exchange::given_up:
            break;
    }
    return "given up";
}

const char* to_string(Event event) {
    switch (event) {
        case Event::published:
            return "published";
        case Event::part_came:
            return "answered in part";
        case Event::answered:
            return "answered";
        case Event::gave_up:
            return "given up";
        case Event::lost:
            break;
    }
    return "lost";
}

}  // namespace tr::channel
