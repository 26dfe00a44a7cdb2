#include "targets.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "channel/mailbox.h"
#include "data/tsr_header.h"
#include "platform/file.h"
#include "protocol/buffers.h"
#include "protocol/json_object.h"
#include "protocol/message.h"
#include "protocol/names.h"
#include "protocol/plain_message.h"
#include "protocol/records.h"
#include "tech_renaissance/data/tsr.h"
#include "tech_renaissance/protocol/value.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::hostile {
namespace {

constexpr const char* kRefused = "refused";

std::string hex(std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text += kDigits[static_cast<unsigned char>(byte) >> 4];
        text += kDigits[static_cast<unsigned char>(byte) & 15];
    }
    return text;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

/// A mailbox in a directory of this process, its host, and all of its bytes as an evil peer sees them.
class Scene {
  public:
    static constexpr std::uint64_t kEpoch = 1;

    Scene() : path_(directory() + "/mailbox"), host_(channel::Mailbox::create(path_, kEpoch)) {
        peer_ = platform::map_shared(path_);
    }
    ~Scene() { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    /// 16 bytes of header, 16 of each line, and what goes into both slots.
    void write(std::string_view input) {
        const auto part = [&input](char* to, std::size_t size) {
            std::memset(to, 0, size);
            const std::size_t length = std::min(size, input.size());
            if (length > 0) std::memcpy(to, input.data(), length);
            input.remove_prefix(length);
        };
        char* bytes = static_cast<char*>(peer_.memory.get());
        part(bytes, 16);
        part(bytes + 64, 16);
        part(bytes + 128, 16);
        for (char* slot : {bytes + 256, bytes + 256 + channel::Mailbox::kSlotBytes}) {
            std::memset(slot, 0, last_length_);
            const std::size_t length = std::min<std::size_t>(channel::Mailbox::kSlotBytes, input.size());
            if (length > 0) std::memcpy(slot, input.data(), length);
        }
        last_length_ = std::min<std::size_t>(channel::Mailbox::kSlotBytes, input.size());
    }
    const std::string& path() const { return path_; }
    channel::Mailbox& host() { return *host_; }

  private:
    static std::string directory() {
        std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm/tr_fuzz_XXXXXX" : "/tmp/tr_fuzz_XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
        return name;
    }
    std::string path_;
    std::shared_ptr<channel::Mailbox> host_;
    platform::SharedFile peer_;
    std::size_t last_length_ = channel::Mailbox::kSlotBytes;
};

/// What a message tells of names that are behind.
std::string places(std::string_view buffers) {
    try {
        std::string text;
        for (const auto& place : protocol::parse_places(buffers))
            text += std::string(place.tag) + ":" + std::to_string(place.inode) + ":" + std::string(place.name) + ",";
        return text;
    } catch (const InputError&) {
        return kRefused;
    }
}

/// What a message says that tensors are called.
std::string tensor_names(std::string_view names) {
    try {
        std::string text;
        for (const auto& [tag, name] : protocol::parse_names(names))
            text += std::string(tag) + ":" + std::string(name) + ",";
        return text;
    } catch (const InputError&) {
        return kRefused;
    }
}

/// The members of an object, in the order of the alphabet, and of which kind each is.
std::string kinds_in(const Value& values) {
    if (values.is_null()) return "";
    require(Value::from_json(values.to_json()) == values, "values that do not come back");
    std::vector<std::string> members;
    for (const auto& [name, value] : values.as_object())
        members.push_back(hex(name) + ":" + to_string(value.kind()) + ",");
    std::sort(members.begin(), members.end());
    std::string text;
    for (const auto& member : members) text += member;
    return text;
}

}  // namespace

std::string tsr(std::string_view input) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
    std::string header_says = kRefused;
    try {
        const TsrHeader header = decode_tsr_header(bytes, input.size(), input.size(), "input");
        require(header.header_bytes + header.data_bytes == input.size(), "a length that was not checked");
        header_says = to_string(header.dtype) + " " + header.shape.to_string();
        check_tsr_data(header.dtype, bytes + header.header_bytes, header.data_bytes, "input");
    } catch (const TSRError&) {
        header_says = kRefused;
    }
    try {
        std::istringstream stream{std::string(input)};
        const Tensor tensor = read_tsr(stream);
        // A stream may go on behind the tensor; a file may not.
        if (header_says != kRefused)
            require(header_says == to_string(tensor.dtype()) + " " + tensor.shape().to_string(), "two readers differ");
    } catch (const TSRError&) {
        require(header_says == kRefused, "the reader of streams refuses what the reader of files takes");
    }
    return header_says == kRefused ? kRefused : "accepted " + header_says;
}

std::string response(std::string_view input) {
    const auto understood = [](const std::string& message) -> std::string {
        try {
            const protocol::Response found = protocol::parse_response(message);
            std::string text = "accepted id=" + (found.id ? std::to_string(*found.id) : "none");
            text += " more=" + std::to_string(found.more) + " older=" + std::to_string(found.older_spelling);
            text += " command=" + hex(found.command) + " result=" + hex(found.text) + " tensors=";
            for (const auto& tag : found.tensors) {
                require(protocol::is_tag(tag), "a tag that is none");
                text += tag + ",";
            }
            return text + " places=" + places(found.buffers) + " names=" + tensor_names(found.names) +
                   " values=" + kinds_in(found.values);
        } catch (const InputError&) {
            return kRefused;
        }
    };
    const std::string message(input);
    std::string found = understood(message);
    // A blank behind it changes nothing, but that the reader of plain messages leaves it to the parser.
    if (protocol::Response unused; protocol::read_plain_response(message, unused))
        require(found == understood(message + " "), "two readers differ");
    return found;
}

/// The compiled module reads plain requests for the worker, and leaves all others to Python.
std::string plain(std::string_view input) {
    const auto found = protocol::read_plain_request(input);
    if (!found) return kRefused;
    return "accepted id=" + std::to_string(found->id) + " command=" + hex(found->command) +
           " parameters=" + hex(found->parameters) +
           " deadline=" + (found->deadline_ms ? std::to_string(*found->deadline_ms) : "none") +
           " names=" + hex(found->names) + " buffers=" + hex(found->buffers) +
           " traceparent=" + hex(found->traceparent) + " arguments=" + hex(found->arguments);
}

std::string hello(std::string_view input) {
    // The other record of the worker's, whatever it says: nothing is thrown.
    protocol::parse_where(std::string(input), std::nullopt);
    try {
        const protocol::Hello found = protocol::parse_hello(std::string(input));
        std::string text = "accepted epoch=" + std::to_string(found.epoch) + " refused=" + hex(found.refused);
        for (const auto& feature : found.features) text += " " + hex(feature);
        for (const auto& name : found.endpoints) text += " endpoint " + hex(name);
        const std::int8_t memory = 0;
        for (const auto& endpoint : found.table->all()) {
            protocol::Sizes sizes(endpoint.symbols);
            for (const auto& one : endpoint.inputs) {
                text += " " + hex(one.name + " " + to_text(one.type));
                try {
                    check_tensor(one.type.tensor(), TensorView(&memory, Shape(2, 3)), sizes, "f", one.name);
                    check_value(one.type, Value(5), "f", one.name);
                } catch (const InputError&) {
                    text += "!";
                }
            }
        }
        return text;
    } catch (const InputError&) {
        return kRefused;
    }
}

std::string session(std::string_view input) {
    const auto found = protocol::parse_session(std::string(input));
    return found ? "accepted pid=" + std::to_string(found->host_pid) + " epoch=" + std::to_string(found->epoch)
                 : kRefused;
}

/// What a program passes to send_request(), which may come from anywhere too.
std::string request(std::string_view input) {
    try {
        const protocol::Request made = protocol::make_request(std::string(input), 7, input.size() % 2 == 0, 1000);
        require(protocol::parse_object(made.text, "a request").at("id") == 7, "a request that lost its id");
        return "accepted " + hex(made.command) + " " + hex(made.text.substr(0, made.text.rfind(",\"id\":7,")));
    } catch (const InputError&) {
        return kRefused;
    }
}

/// What a program passes as the arguments of a request.
std::string arguments(std::string_view input) {
    try {
        const auto made = protocol::make_request("c", 7, false, 1000, {std::string(input), "t"});
        if (input.empty()) return kRefused;  // that means none
        const auto object = nlohmann::json::parse(made.text);
        require(object.at("command") == "c" && object.at("id") == 7, "arguments that reach the rest of the request");
        require(object.at("arguments").is_object(), "arguments that are no object");
        if (const auto plain = protocol::read_plain_request(made.text))
            require(plain->arguments == input && plain->traceparent == "t", "what was written is not what is read");
        return "accepted";
    } catch (const InputError&) {
        return kRefused;
    }
}

std::string mailbox(std::string_view input) {
    static Scene scene;
    scene.write(input);
    try {
        scene.host().pending();
        if (scene.host().receive()) scene.host().acknowledge();
    } catch (const InputError&) {
        // An impossible length; the worker's side below says what it makes of its own line.
    }
    try {
        auto worker = channel::Mailbox::open(scene.path(), Scene::kEpoch);
        const auto message = worker->receive();
        if (!message) return "accepted nothing";
        worker->acknowledge();
        return "accepted " + hex(*message);
    } catch (const InputError&) {
        return kRefused;
    }
}

Target find_target(const std::string& name) {
    if (name == "tsr") return tsr;
    if (name == "response") return response;
    if (name == "plain") return plain;
    if (name == "hello") return hello;
    if (name == "session") return session;
    if (name == "request") return request;
    if (name == "arguments") return arguments;
    if (name == "mailbox") return mailbox;
    return nullptr;
}

}  // namespace tr::hostile
